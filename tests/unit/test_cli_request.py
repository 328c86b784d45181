"""What a command line comes to: options, configuration, databases."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from ionfleet.configuration import JobConfiguration
from ionfleet.errors import InvalidConfigurationError, InvalidInputError
from ionfleet_cli.asked import Asking, asking
from ionfleet_cli.failures import UsageError
from ionfleet_cli.options import given, matrix, pairs, planning
from ionfleet_cli.run import Extras, Request, prepare
from ionfleet_cli.scoring_models import LocalModel
from ionfleet_cli.submission import dataset_objects

from .scoring_models import random_model


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "brain.imzML").write_bytes(b"<mzML/>")
    (tmp_path / "brain.ibd").write_bytes(b"\0" * 16)
    return tmp_path / "brain.imzML"


def configure(dataset: Path, name: str = "job.json", **fields: Any) -> Path:
    path = dataset.with_name(name)
    path.write_text(json.dumps(fields))
    return path


def request_for(dataset: Path, *databases: Path, config: Path | None = None, **overrides: Any) -> Request:
    return prepare(dataset, databases, config, overrides)


def test_options_that_were_not_given_set_nothing() -> None:
    assert given(ppm=None, adducts=None, strict=None, molecule_classes=[]) == {}


def test_options_that_were_given_false_or_zero_are_set() -> None:
    assert given(strict=False, ppm=0.0) == {"strict": False, "ppm": 0.0}


def test_modifiers_may_be_divided_by_commas_but_classes_may_not() -> None:
    fields = given(adducts=["+H, +Na", "+K"], molecule_classes=["Acids, fatty"])
    assert fields == {"adducts": ["+H", "+Na", "+K"], "molecule_classes": ["Acids, fatty"]}


def test_planning_is_given_in_pairs() -> None:
    assert planning(["segment_peaks = 100", "sort_task_peaks=many"]) == {
        "segment_peaks": 100,
        "sort_task_peaks": "many",
    }
    assert planning(None) is None


@pytest.mark.parametrize(
    ("pairs", "message"),
    [(["x"], "is not KEY=VALUE"), (["x="], "is not KEY=VALUE"), (["=1"], "is not KEY"), (["x=1", "x=2"], "more than")],
)
def test_planning_that_is_no_pair_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planning(pairs)


def test_the_configuration_beside_the_dataset_is_taken_and_options_override_it(dataset: Path) -> None:
    configure(dataset, ppm=5, adducts=["+H"], planning={"segment_peaks": 5})
    job = request_for(dataset, ppm=2.5, planning={"sort_task_peaks": 7}).configuration
    assert (job.ppm, job.adducts) == (2.5, ("+H",))
    assert (job.planning.segment_peaks, job.planning.sort_task_peaks) == (5, 7)


def test_a_configuration_that_is_given_goes_before_the_one_beside_the_dataset(dataset: Path) -> None:
    configure(dataset, ppm=5)
    other = configure(dataset, "other.json", min_pixels=3)
    job = request_for(dataset, config=other).configuration
    assert (job.ppm, job.min_pixels) == (3.0, 3)


def test_without_a_database_the_bundled_one_is_taken(dataset: Path) -> None:
    request = request_for(dataset)
    assert request.configuration.databases == ("ionfleet-core",)
    assert request.databases == ()


def test_databases_that_are_given_replace_those_of_the_configuration(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dataset.parent)
    configure(dataset, databases=["somewhere"])
    Path("mine.tsv").write_text("sf\nC6H12O6\n")
    request = request_for(dataset, Path("mine.tsv"), Path("ionfleet-core"))
    assert request.configuration.databases == ("mine", "ionfleet-core")
    assert [database.name for database in request.databases] == ["mine"]


def test_a_database_that_is_only_named_asks_for_its_file(dataset: Path) -> None:
    configure(dataset, databases=["ionfleet-core", "mine"])
    with pytest.raises(InvalidConfigurationError, match=r"job\.json names the database 'mine'.*--database mine\.tsv"):
        request_for(dataset)


@pytest.mark.parametrize("overrides", [{"ppm": 500.0}, {"adducts": ["lead"]}, {"planning": {"peaks": 1}}])
def test_impossible_options_are_wrong_use(dataset: Path, overrides: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the command line: "):
        request_for(dataset, **overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"ppm": 500}', r"job\.json: ppm is 500; allowed"), ("{", "is not JSON"), ('{"pmp": 1}', "perhaps 'ppm'")],
)
def test_an_impossible_configuration_is_wrong_input(dataset: Path, text: str, message: str) -> None:
    dataset.with_name("job.json").write_text(text)
    with pytest.raises(InvalidConfigurationError, match=message):
        request_for(dataset)


def test_a_configuration_that_is_not_there_is_named(dataset: Path) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"There is no configuration file nowhere\.json"):
        request_for(dataset, config=Path("nowhere.json"))


def test_a_name_that_no_key_may_have_is_refused(tmp_path: Path) -> None:
    for extension in ("imzML", "ibd"):
        (tmp_path / f"a\tb.{extension}").write_bytes(b"<mzML/>")
    with pytest.raises(InvalidInputError, match="control or invisible characters"):
        request_for(tmp_path / "a\tb.imzML")


def test_a_database_whose_name_no_key_may_have_is_refused(dataset: Path) -> None:
    database = dataset.with_name("a\tb.tsv")
    database.write_text("sf\nC6H12O6\n")
    with pytest.raises(InvalidInputError, match="control or invisible characters"):
        request_for(dataset, database)


def test_a_scoring_model_is_read_from_its_file_or_from_beside_the_configuration(dataset: Path, tmp_path: Path) -> None:
    data = json.dumps(random_model(1)).encode()
    (tmp_path / "animal.json").write_bytes(data)
    given = prepare(dataset, [], None, {}, Extras(scoring_model=tmp_path / "animal.json"))
    assert (given.configuration.scoring_model, given.model) == ("animal.json", LocalModel("animal", data))
    for reference in ("animal", "animal.json"):
        configure(dataset, scoring_model=reference)
        assert request_for(dataset).model == LocalModel("animal", data)


def test_a_model_that_is_only_named_may_be_in_the_cloud(dataset: Path) -> None:
    configure(dataset, scoring_model="animal")
    assert prepare(dataset, [], None, {}, known=True).model is None


def test_an_optical_image_may_lie_elsewhere(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "photographs" / "section.png"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    request = prepare(dataset, [], None, {}, Extras(optical_image=elsewhere))
    assert request.configuration.optical_image == "section.png"
    assert next(iter(dataset_objects(request.dataset, request.picture).values())) == elsewhere
    with pytest.raises(InvalidConfigurationError, match="There is no optical image"):
        prepare(dataset, [], None, {}, Extras(optical_image=tmp_path / "other.png"))


def test_whatever_a_configuration_says_has_an_option() -> None:
    def command(asked: Asking) -> None:
        pytest.fail(f"{asked} is not to be made")

    singular = {name.removesuffix("s"): name for name in ("databases", "adducts", "chemical_modifications")}
    singular |= {"neutral_loss": "neutral_losses", "molecule_class": "molecule_classes", "plan": "planning"}
    said = {singular.get(name, name) for name in inspect.signature(asking(command)).parameters}
    assert {*JobConfiguration.model_fields} <= said


def test_metadata_and_a_transform_are_told_by_options(tmp_path: Path) -> None:
    assert pairs("--metadata", ["organism=mouse", "note = a=b"]) == {"organism": "mouse", "note": "a=b"}
    rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    for content in (rows, {"optical_image": "x.png", "transform": rows}):
        (tmp_path / "optical.job.json").write_text(json.dumps(content))
        assert matrix(tmp_path / "optical.job.json") == rows
    for text in ("{", "{}", "7"):
        (tmp_path / "optical.job.json").write_text(text)
        with pytest.raises(UsageError, match="--transform"):
            matrix(tmp_path / "optical.job.json")
    assert matrix(None) is None


def test_a_scoring_model_that_is_not_there_or_none_is_named(dataset: Path) -> None:
    configure(dataset, scoring_model="animal")
    with pytest.raises(InvalidConfigurationError, match=r"There is no scoring model .*animal"):
        request_for(dataset)
    dataset.with_name("animal.json").write_text("{}")
    with pytest.raises(InvalidConfigurationError, match=r"animal\.json: This is no scoring model"):
        request_for(dataset)
