"""What keys of the input bucket mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionfleet.errors import InvalidDatasetError, InvalidInputError
from ionfleet.store import MemoryStore
from ionfleet.uploads import (
    MAX_KEY_BYTES,
    ConfigurationFile,
    DatabaseFile,
    DatasetName,
    datasets_configured_by,
    find_dataset,
    refused_status_key,
    understand,
)


def bucket(*keys: str) -> MemoryStore:
    store = MemoryStore()
    for key in keys:
        store.create(key, key.encode())
    return store


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("datasets/brain.imzML", DatasetName("datasets/", "brain")),
        ("datasets/lab/2026/brain.IBD", DatasetName("datasets/lab/2026/", "brain")),
        ("datasets/a/brain.imzml", DatasetName("datasets/a/", "brain")),
        ("datasets/a/mouse brain.v2 μm.imzML", DatasetName("datasets/a/", "mouse brain.v2 μm")),
        ("datasets/a/100%25+1.ibd", DatasetName("datasets/a/", "100%25+1")),
        ("datasets/a/job.json", ConfigurationFile("datasets/a/", None)),
        ("datasets/a/brain.job.json", ConfigurationFile("datasets/a/", "brain")),
        ("databases/hmdb.tsv", DatabaseFile("databases/hmdb.tsv", "hmdb")),
        ("databases/Core v3.CSV.GZ", DatabaseFile("databases/Core v3.CSV.GZ", "Core v3")),
    ],
)
def test_a_key_says_what_the_object_is(key: str, meaning: object) -> None:
    assert understand(key) == meaning


@pytest.mark.parametrize(
    "key",
    [
        "datasets/",
        "datasets/brain.imzML/",
        "datasets/a/notes.txt",
        "datasets/a/otherjob.json",
        "job.json",
        "databases/sub/hmdb.tsv",
        "databases/readme.md",
        "hmdb.tsv",
    ],
)
def test_what_is_no_input_is_ignored(key: str) -> None:
    assert understand(key) is None


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("datasets/../brain.imzML", "'..'"),
        ("datasets/./brain.ibd", "'..'"),
        ("datasets/a/...imzML", "'..'"),
        ("datasets/a/...job.json", "'..'"),
        ("databases/...tsv", "'..'"),
        ("datasets/a/br\x1b[31main.imzML", r"U\+001B"),
        ("datasets/a/br\nain.imzML", r"U\+000A"),
        ("datasets/a/\x7f\x9b.ibd", r"U\+007F, U\+009B"),
        ("datasets/a/\u2028x.ibd", r"U\+2028"),
        ("datasets/a/.imzML", "no name"),
        ("datasets/.job.json", "no name"),
        ("databases/.tsv", "no name"),
        ("brain.imzML", "outside of datasets/"),
        ("databases/brain.ibd", "outside of datasets/"),
        ("datasets/" + "ä" * MAX_KEY_BYTES + ".imzML", "bytes"),
    ],
)
def test_a_key_that_cannot_be_taken_is_refused_with_its_reason(key: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint) as refusal:
        understand(key)
    assert str(refusal.value).isprintable()


@given(st.text(max_size=30), st.sampled_from([".imzML", ".ibd", ".job.json", ".tsv", "job.json"]))
def test_status_documents_never_leave_their_folder(name: str, extension: str) -> None:
    for folder in ("datasets/", "databases/"):
        try:
            meaning = understand(f"{folder}{name}{extension}")
        except InvalidInputError:
            continue
        if meaning is not None:
            key = meaning.status_key
            assert key.startswith(f"inputs/{folder}")
            assert key.endswith("/status.json")
            assert not {".", ".."} & set(key.split("/"))
            assert len(key.encode()) <= 1024


def test_refused_keys_are_reported_under_harmless_names() -> None:
    key = refused_status_key("datasets/../\x00/" + "x" * 2000)
    assert key.startswith("inputs/refused/")
    assert len(key) < 60
    assert key != refused_status_key("datasets/../\x00/" + "x" * 2001)


def test_a_dataset_is_found_by_its_stem_alone() -> None:
    store = bucket(
        "datasets/a/brain.imzML", "datasets/a/brain.2.imzML", "datasets/a/brain.2.ibd", "datasets/a/brainstem.ibd"
    )
    upload = find_dataset(store, DatasetName("datasets/a/", "brain"))
    assert upload.imzml == store.head("datasets/a/brain.imzML")
    assert upload.missing == "brain.ibd"
    other = find_dataset(store, DatasetName("datasets/a/", "brain.2"))
    assert other.missing is None


def test_extensions_may_be_in_any_case() -> None:
    store = bucket("datasets/a/x.IMZML", "datasets/a/x.Ibd")
    upload = find_dataset(store, DatasetName("datasets/a/", "x"))
    assert (upload.imzml and upload.imzml.key, upload.ibd and upload.ibd.key) == (
        "datasets/a/x.IMZML",
        "datasets/a/x.Ibd",
    )


def test_the_imzml_is_waited_for_first() -> None:
    assert find_dataset(bucket(), DatasetName("datasets/", "x")).missing == "x.imzML"
    assert find_dataset(bucket("datasets/x.ibd"), DatasetName("datasets/", "x")).missing == "x.imzML"


def test_two_files_of_one_kind_are_refused() -> None:
    store = bucket("datasets/x.imzML", "datasets/x.ibd", "datasets/x.IBD")
    with pytest.raises(InvalidDatasetError, match=r"'datasets/x\.IBD' and 'datasets/x\.ibd'"):
        find_dataset(store, DatasetName("datasets/", "x"))


def test_a_datasets_own_configuration_goes_before_that_of_its_folder() -> None:
    store = bucket("datasets/a/job.json", "datasets/a/x.job.json", "datasets/a/x.imzML", "datasets/a/y.imzML")
    own = find_dataset(store, DatasetName("datasets/a/", "x")).configuration
    shared = find_dataset(store, DatasetName("datasets/a/", "y")).configuration
    assert own
    assert own.key == "datasets/a/x.job.json"
    assert shared
    assert shared.key == "datasets/a/job.json"
    assert find_dataset(store, DatasetName("datasets/", "z")).configuration is None


def test_a_shared_configuration_concerns_the_datasets_of_its_folder_without_their_own() -> None:
    store = bucket(
        "datasets/a/job.json",
        "datasets/a/x.imzML",
        "datasets/a/x.ibd",
        "datasets/a/own.ibd",
        "datasets/a/own.job.json",
        "datasets/a/deeper/z.imzML",
        "datasets/ab/w.imzML",
        "datasets/a/y.ibd",
    )
    assert datasets_configured_by(store, ConfigurationFile("datasets/a/", None)) == [
        DatasetName("datasets/a/", "x"),
        DatasetName("datasets/a/", "y"),
    ]
    assert datasets_configured_by(store, ConfigurationFile("datasets/a/", "own")) == [DatasetName("datasets/a/", "own")]


COMPOSED, DECOMPOSED = "s\u00e4ure", "sa\u0308ure"


@pytest.mark.parametrize("spelling", [COMPOSED, DECOMPOSED])
def test_a_name_is_the_same_however_its_accents_are_spelled(spelling: str) -> None:
    assert understand(f"datasets/{spelling}.imzML") == DatasetName("datasets/", COMPOSED)
    assert understand(f"datasets/{spelling}.job.json") == ConfigurationFile("datasets/", COMPOSED)
    key = f"databases/{spelling}.tsv"
    assert understand(key) == DatabaseFile(key, COMPOSED)


def test_the_files_of_a_dataset_may_be_spelled_in_either_form() -> None:
    store = bucket(f"datasets/{COMPOSED}.imzML", f"datasets/{DECOMPOSED}.ibd", f"datasets/{DECOMPOSED}.job.json")
    upload = find_dataset(store, DatasetName("datasets/", COMPOSED))
    assert upload.missing is None
    assert upload.configuration is not None
    assert upload.configuration.key == f"datasets/{DECOMPOSED}.job.json"


def test_one_file_in_both_forms_is_two_files_of_one_kind() -> None:
    store = bucket(*(f"datasets/{name}.imzML" for name in (COMPOSED, DECOMPOSED)))
    with pytest.raises(InvalidDatasetError, match=r"s\\xe4ure\.imzML' and 'datasets/sa\\u0308ure"):
        find_dataset(store, DatasetName("datasets/", COMPOSED))


@pytest.mark.parametrize(
    "name", ["gpj.\u202eexe", "a\u200bb", "\ufeffa", "a\u2066b", "a\u00adb", "\ud800", "\u00e4a\u0308"]
)
def test_what_hides_in_a_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        understand(f"datasets/{name}.imzML")
    assert str(refusal.value).isascii()


def test_joiners_of_scripts_that_need_them_are_taken() -> None:
    assert understand("datasets/\u0646\u200c\u0647.ibd") == DatasetName("datasets/", "\u0646\u200c\u0647")


def test_a_configuration_takes_up_no_dataset_whose_name_is_refused() -> None:
    store = bucket("datasets/a/\x1b.imzML", "datasets/a/good.imzML")
    assert datasets_configured_by(store, ConfigurationFile("datasets/a/", None)) == [DatasetName("datasets/a/", "good")]
