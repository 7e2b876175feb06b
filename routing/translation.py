"""What administrators type for people to read, in each of their languages."""

from modeltranslation.translator import TranslationOptions, register

from routing.models import GatewaySettings


@register(GatewaySettings)
class GatewaySettingsTranslation(TranslationOptions):
    fields = ("notice",)
