"""The encrypted column's contract, tried against everything the ORM, forms and serialisers can do to it."""

from __future__ import annotations

import json
import uuid
from io import StringIO
from typing import Any

import pytest
from django import forms
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection as database
from django.db import transaction
from django.db.models import Case, F, Max, Value, When
from django.db.models.functions import Concat, Upper
from django.test import override_settings

from providers import fields, vault
from providers.fields import reveal
from providers.models import Connection, Provider, Proxy
from providers.vault import KeyRing, Sealed, SecretUnreadable

pytestmark = pytest.mark.django_db
SECRET = "plain-text-credential-1"


@pytest.fixture
def provider() -> Provider:
    return Provider.objects.create(id="acme", name="Acme", format="openai_chat", base_url="https://acme.example/v1")


@pytest.fixture
def row(provider: Provider) -> Connection:
    return Connection.objects.create(provider=provider, name="main", secret=SECRET)


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to decrypt fails the test."""

    def refuse(*_: Any) -> str:
        raise AssertionError("something was decrypted")

    monkeypatch.setattr(KeyRing, "open", refuse)


def stored(row: Connection, column: str = "secret") -> str | None:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM providers_connection WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


def store(row: Connection, value: str | None, column: str = "secret") -> None:
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE providers_connection SET {column} = %s WHERE id = %s", [value, row.pk])


def fresh(row: Connection) -> Connection:
    return Connection.objects.get(pk=row.pk)


class TestReading:
    def test_the_database_holds_no_plain_text_and_the_row_opens_it(self, row: Connection) -> None:
        assert (stored(row) or "").startswith("og1.") and SECRET not in (stored(row) or "")
        assert reveal(fresh(row), "secret") == SECRET

    def test_loading_assigning_and_validating_decrypt_nothing(self, row: Connection, blind: None) -> None:
        loaded = fresh(row)
        assert isinstance(loaded.secret, Sealed)
        loaded.full_clean()
        loaded.save()
        loaded.secret = stored(row)  # a pasted token is text like any other
        loaded.full_clean()
        loaded.save()

    def test_a_pasted_token_is_never_taken_for_a_sealed_value(self, row: Connection, provider: Provider) -> None:
        token = stored(row)
        thief = Connection.objects.create(provider=provider, name="thief", secret=token)
        assert reveal(fresh(thief), "secret") == token != SECRET
        assert stored(thief) != token

    @pytest.mark.parametrize("garbage", ["sk-somebody-wrote-plain-text", "og1.deadbeef.AAAA", "gAAAAABfernet", "og1.x"])
    def test_what_is_not_sealed_raises_and_is_not_returned(self, row: Connection, garbage: str) -> None:
        store(row, garbage)
        with pytest.raises(SecretUnreadable) as told:
            reveal(fresh(row), "secret")
        assert garbage not in str(told.value)

    def test_an_altered_value_raises(self, row: Connection) -> None:
        token = stored(row) or ""
        store(row, token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:])
        with pytest.raises(SecretUnreadable):
            reveal(fresh(row), "secret")

    def test_a_value_moved_to_another_row_or_column_raises(self, row: Connection, provider: Provider) -> None:
        other = Connection.objects.create(provider=provider, name="other", secret="another")
        store(other, stored(row))
        proxy = Proxy.objects.create(name="p", url="http://10.0.0.1:1", uid=row.uid)
        with database.cursor() as cursor:
            cursor.execute("UPDATE providers_proxy SET url = %s WHERE id = %s", [stored(row), proxy.pk])
        for moved, column in ((fresh(other), "secret"), (Proxy.objects.get(), "url")):
            with pytest.raises(SecretUnreadable):
                reveal(moved, column)

    def test_a_copied_row_does_not_take_the_secret_along(self, row: Connection) -> None:
        copy = fresh(row)
        copy.pk, copy.uid, copy.name, copy._state.adding = None, uuid.uuid4(), "copy", True
        copy.save()
        with pytest.raises(SecretUnreadable):
            reveal(fresh(copy), "secret")

    def test_another_key_ring_raises_and_saving_the_row_keeps_what_is_stored(self, row: Connection) -> None:
        before = stored(row)
        with override_settings(ENCRYPTION_KEYS=("another-installation's-key-" + "z" * 20,)):
            loaded = fresh(row)
            with pytest.raises(SecretUnreadable):
                reveal(loaded, "secret")
            loaded.name = "renamed"
            loaded.save()
        assert stored(row) == before and reveal(fresh(row), "secret") == SECRET

    def test_an_empty_value_is_null(self, row: Connection) -> None:
        for empty in (None, ""):
            row.secret = empty
            row.save()
            assert stored(row) is None and reveal(fresh(row), "secret") is None
        store(row, "")
        assert reveal(fresh(row), "secret") is None


class TestWriting:
    def test_saving_a_loaded_row_does_not_seal_twice(self, row: Connection) -> None:
        before = stored(row)
        loaded = fresh(row)
        loaded.name = "renamed"
        loaded.save()
        assert stored(row) == before

    def test_after_save_the_object_holds_no_plain_text(self, row: Connection) -> None:
        assert SECRET not in repr(vars(row)) and SECRET not in repr(row) and reveal(row, "secret") == SECRET

    @pytest.mark.parametrize(
        "value", ["text", None, F("name"), Value("text"), Concat("name", Value("x")), Sealed("og1.a.b")]
    )
    def test_update_is_refused(self, row: Connection, value: Any) -> None:
        before = stored(row)
        with pytest.raises(TypeError, match="encrypted per row"), transaction.atomic():
            Connection.objects.filter(pk=row.pk).update(secret=value)
        with pytest.raises(TypeError, match="encrypted per row"), transaction.atomic():
            row.provider.connections.update(secret=value)
        assert stored(row) == before

    async def test_aupdate_is_refused(self) -> None:
        with pytest.raises(TypeError, match="encrypted per row"):
            await Connection.objects.aupdate(secret="text")

    def test_plain_text_cannot_slip_through_the_base_manager(self, row: Connection) -> None:
        before = stored(row)
        with pytest.raises(TypeError, match="encrypted per row"), transaction.atomic():
            Connection._base_manager.filter(pk=row.pk).update(secret="text")
        assert stored(row) == before

    def test_bulk_update_and_case_are_refused(self, row: Connection) -> None:
        before = stored(row)
        row.secret = "changed-in-bulk"
        with pytest.raises(TypeError, match="encrypted per row"), transaction.atomic():
            Connection.objects.bulk_update([row], ["secret"])
        with pytest.raises(TypeError, match="encrypted per row"), transaction.atomic():
            Connection.objects.update(secret=Case(When(name="main", then=Value("x")), default=F("secret")))
        assert stored(row) == before

    def test_bulk_update_of_other_columns_leaves_the_secret(self, row: Connection) -> None:
        row.priority = 7
        Connection.objects.bulk_update([row], ["priority"])
        assert fresh(row).priority == 7 and reveal(fresh(row), "secret") == SECRET

    @pytest.mark.parametrize("value", [F("name"), Value("x"), 7, b"bytes", ["x"]])
    def test_only_text_can_be_saved(self, row: Connection, value: Any) -> None:
        before = stored(row)
        row.secret = value
        with pytest.raises(TypeError), transaction.atomic():
            row.save()
        assert stored(row) == before

    def test_bulk_create_seals_every_row_for_itself(self, provider: Provider) -> None:
        rows = [Connection(provider=provider, name=f"n{i}", secret="the same") for i in range(3)]
        Connection.objects.bulk_create(rows)
        kept = list(Connection.objects.filter(provider=provider))
        assert [reveal(one, "secret") for one in kept] == ["the same"] * 3
        assert len({stored(one) for one in kept}) == 3

    def test_bulk_create_does_not_hand_a_secret_to_a_conflicting_row(self, row: Connection) -> None:
        twin = Connection(provider=row.provider, name="main", secret="usurper")
        with pytest.raises(TypeError, match="encrypted per row"), transaction.atomic():
            Connection.objects.bulk_create(
                [twin], update_conflicts=True, update_fields=["secret"], unique_fields=["provider", "name"]
            )
        assert reveal(fresh(row), "secret") == SECRET

    def test_update_or_create_and_deferred_rows_work(self, row: Connection) -> None:
        Connection.objects.update_or_create(provider=row.provider, name="main", defaults={"secret": "second"})
        assert reveal(fresh(row), "secret") == "second"
        lazy = Connection.objects.defer("secret").get(pk=row.pk)
        lazy.name = "lazy"
        lazy.save()
        assert reveal(lazy, "secret") == "second"


class TestAsking:
    @pytest.mark.parametrize(
        "question",
        [
            {"secret": SECRET},
            {"secret__in": [SECRET]},
            {"secret__contains": "p"},
            {"secret__startswith": "og1"},
            {"secret__gt": "a"},
            {"secret__regex": "."},
            {"secret__length": 3},
            {"secret__iexact": SECRET},
            {"secret": F("name")},
        ],
    )
    def test_no_question_about_the_value_is_answered(self, row: Connection, question: dict[str, Any]) -> None:
        with pytest.raises(FieldError):
            Connection.objects.filter(**question).exists()

    def test_whether_there_is_one_may_be_asked(self, row: Connection, provider: Provider) -> None:
        bare = Connection.objects.create(provider=provider, name="bare")
        assert list(Connection.objects.filter(secret__isnull=True)) == [bare]
        assert list(Connection.objects.exclude(secret__isnull=True)) == [row]

    def test_values_and_expressions_give_sealed_values_only(self, row: Connection, blind: None) -> None:
        rows = Connection.objects.filter(pk=row.pk)
        found = [
            rows.values("secret")[0]["secret"],
            rows.values_list("secret", flat=True)[0],
            rows.annotate(x=F("secret"))[0].x,
            rows.annotate(x=Case(When(name="main", then=F("secret"))))[0].x,
            rows.aggregate(x=Max("secret"))["x"],
        ]
        assert all(isinstance(value, Sealed) for value in found)
        assert repr(found) == repr([Sealed("x")] * 5)
        with pytest.raises(TypeError):
            json.dumps(found)

    def test_an_annotation_cannot_be_filtered_by_value(self, row: Connection) -> None:
        with pytest.raises(FieldError):
            Connection.objects.annotate(x=F("secret")).filter(x="anything").exists()

    def test_functions_over_the_column_do_not_open_it(self, row: Connection, blind: None) -> None:
        assert SECRET.upper() not in str(Connection.objects.annotate(x=Upper("secret"))[0].x)


class TestOut:
    @pytest.mark.parametrize("format", ["json", "xml", "python", "jsonl", "yaml"])
    def test_serialisers_leave_it_out(self, row: Connection, format: str) -> None:
        unsaved = Connection(provider=row.provider, name="new", secret=SECRET)
        text = str(serializers.serialize(format, [fresh(row), unsaved]))
        assert SECRET not in text and "og1." not in text and "user:pw" not in text

    def test_dumpdata_leaves_it_out_and_loaddata_takes_it_back(self, row: Connection, tmp_path: Any) -> None:
        out = StringIO()
        call_command("dumpdata", "providers.Connection", "providers.Provider", stdout=out)
        assert "og1." not in out.getvalue() and SECRET not in out.getvalue()
        file = tmp_path / "dump.json"
        file.write_text(out.getvalue())
        call_command("loaddata", str(file), verbosity=0)
        assert stored(row) is None


class Form(forms.ModelForm):
    class Meta:
        model = Connection
        fields = ["name", "priority", "secret"]


class TestForms:
    def test_a_form_never_shows_what_is_stored(self, row: Connection, blind: None) -> None:
        html = Form(instance=fresh(row)).as_p()
        assert "og1." not in html and "•••" not in html and SECRET not in html and 'type="password"' in html

    def test_a_form_with_errors_does_not_echo_what_was_typed(self, row: Connection) -> None:
        form = Form({"name": "", "priority": "x", "secret": "just-typed"}, instance=fresh(row))
        assert not form.is_valid()
        assert "typed" not in form.as_p() and "typed" not in str(form.errors)

    def test_an_empty_field_keeps_and_a_filled_one_replaces(self, row: Connection) -> None:
        before = stored(row)
        form = Form({"name": "renamed", "priority": "2", "secret": ""}, instance=fresh(row))
        assert form.is_valid() and form.changed_data == ["name", "priority"]
        form.save()
        assert stored(row) == before and fresh(row).name == "renamed"
        form = Form({"name": "renamed", "priority": "2", "secret": " new-one "}, instance=fresh(row))
        assert form.is_valid() and form.changed_data == ["secret"]
        form.save()
        assert reveal(fresh(row), "secret") == "new-one"

    def test_a_form_is_no_oracle(self, row: Connection, blind: None) -> None:
        """Pasting a stored token, of this row or another, gives the same answer as pasting anything."""
        for pasted in (stored(row), "og1.zz.zz", "anything"):
            form = Form({"name": "main", "priority": "1", "secret": pasted}, instance=fresh(row))
            assert form.is_valid() and pasted not in form.as_p()


def test_a_model_without_the_sealing_manager_is_reported() -> None:
    class Bare(Connection):
        class Meta:
            app_label = "providers"
            proxy = True

    field = Connection._meta.get_field("secret")
    assert field.check() == []
    try:
        Bare._meta.managers_map["objects"]._queryset_class = type("Plain", (fields.models.QuerySet,), {})
        field.model = Bare
        assert "providers.E001" in [error.id for error in field.check()]
    finally:
        field.model = Connection
        fields.models.base.apps.all_models["providers"].pop("bare", None)
        fields.models.base.apps.clear_cache()


def test_the_shipped_cipher_is_ours() -> None:
    """The package's Fernet code is the base class only."""
    ours = vars(fields.EncryptedTextField)
    assert {"to_python", "from_db_value", "get_db_prep_save", "pre_save"} <= set(ours)
    assert vault.VERSION == "og1"
