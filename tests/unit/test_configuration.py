"""What a user may say about a job, and what it comes to."""

import json

import pytest

from ionfleet.configuration import (
    DEFAULT_RESOLVING_POWER,
    JobConfiguration,
    ResolvedConfiguration,
    analyzer_of,
    resolve,
    resolving_power_at_200,
    sigma_of_class,
)
from ionfleet.errors import InvalidConfigurationError


def configured(**fields):
    return JobConfiguration.from_json(json.dumps(fields).encode(), "job.json")


def resolved(**fields):
    return resolve(configured(**{"polarity": "positive", "analyzer": "orbitrap", "resolving_power": 280_000} | fields))


def refusal(data):
    with pytest.raises(InvalidConfigurationError) as caught:
        JobConfiguration.from_json(data if isinstance(data, bytes) else json.dumps(data).encode(), "brain/job.json")
    assert str(caught.value).startswith("brain/job.json")
    return str(caught.value)


def test_every_field_is_optional():
    configuration = JobConfiguration.from_json(b"{}", "job.json")
    assert configuration == JobConfiguration()
    assert configuration.databases == ("ionfleet-core",)
    assert (configuration.ppm, configuration.decoy_sample_size, configuration.fdr_method) == (3.0, 20, "v3")


def test_every_field_is_read():
    fields = {
        "name": "brain", "polarity": "negative", "analyzer": "fticr", "resolving_power": 80000,
        "resolving_power_mz": 700, "ppm": 2.5, "databases": ["hmdb", "core"], "adducts": ["-H", "[M]-"],
        "neutral_losses": ["-H2O"], "chemical_modifications": ["-H+CH3"], "decoy_sample_size": 10,
        "fdr_method": "v3", "molecule_classes": ["PC"],
        "scoring_model": "animal", "isotope_peaks": 5, "min_pixels": 3, "isotope_sigma": 0.001,
        "compatibility": "metaspace", "optical_image": "photo.png", "transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "planning": {"sort_task_peaks": 1000, "segment_peaks": 2000, "isotope_task_formulas": 30}, "skip_invalid": True,
        "strict": True, "max_cost_usd": 1.5, "notify": "me@example.org", "metadata": {"organism": "mouse", "days": [1]},
    }  # fmt: skip
    assert configured(**fields).model_dump(mode="json") == fields
    assert set(fields) == set(JobConfiguration.model_fields)


def test_words_may_be_written_large():
    configuration = configured(polarity="Positive", analyzer="FTICR", fdr_method="V1", compatibility="METASPACE")
    assert (configuration.polarity, configuration.analyzer) == ("positive", "fticr")
    assert (configuration.fdr_method, configuration.compatibility) == ("v1", "metaspace")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ppm": 0}, "ppm is 0; allowed is a number above 0 and up to 100"),
        ({"ppm": "3"}, 'ppm is "3"'),
        ({"ppm": True}, "ppm is true"),
        ({"polarity": "both"}, 'polarity is "both"; allowed is positive or negative'),
        ({"analyzer": "quadrupole"}, "allowed is orbitrap, fticr or tof"),
        ({"fdr_method": "v2"}, "allowed is v1 or v3"),
        ({"compatibility": None}, "compatibility is null; allowed is ionfleet or metaspace"),
        ({"resolving_power": -1}, "resolving_power is -1"),
        ({"resolving_power_mz": 400}, "resolving_power_mz is given without resolving_power"),
        ({"decoy_sample_size": 0}, "decoy_sample_size is 0; allowed is a whole number from 1 to 80"),
        ({"decoy_sample_size": 2.5}, "decoy_sample_size is 2.5"),
        ({"isotope_peaks": 1}, "isotope_peaks is 1"),
        ({"min_pixels": 0}, "min_pixels is 0"),
        ({"isotope_sigma": 0}, "isotope_sigma is 0"),
        ({"databases": []}, "databases is []"),
        ({"scoring_model": "animal", "fdr_method": "v1"}, "fdr_method v1 ranks the MSM alone"),
        ({"databases": "hmdb"}, 'databases is "hmdb"; allowed is a list'),
        ({"databases": ["a", "a"]}, "databases: a is given more than once"),
        ({"adducts": []}, "adducts is []"),
        ({"adducts": ["+H", "+H"]}, "adducts: +H is given more than once"),
        ({"adducts": ["H"]}, "adducts: 'H': it is not made of + or -"),
        ({"adducts": ["+H", "+13C"]}, "adducts: '+13C'"),
        ({"adducts": ["+Xx"]}, "'Xx' is not an element"),
        ({"adducts": [""]}, "adducts: a blank text"),
        ({"adducts": ["+H", 3]}, "adducts has 3; allowed is a list of 1 to 400 adducts"),
        ({"neutral_losses": ["[M]+"]}, "neutral_losses: '[M]+' is an adduct"),
        ({"chemical_modifications": ["C2H2O"]}, "chemical_modifications: 'C2H2O'"),
        ({"molecule_classes": [""]}, "molecule_classes has"),
        ({"skip_invalid": "yes"}, "skip_invalid is \"yes\"; allowed is true or false"),
        ({"max_cost_usd": -2}, "max_cost_usd is -2"),
        ({"name": ""}, "name is"),
        ({"name": "a\nb"}, "name: it is blank or has characters that cannot be printed"),
        ({"transform": [[1, 0], [0, 1]]}, "transform has [1, 0]"),
        ({"planning": {"sort_task_peaks": 0}}, "planning.sort_task_peaks is 0; allowed is a whole number"),
        ({"planning": 5}, "planning is 5"),
        ({"metadata": "none"}, 'metadata is "none"'),
    ],
)  # fmt: skip
def test_impossible_value_is_refused_with_what_is_allowed(fields, said):
    assert said in refusal(fields)


def test_unknown_field_is_refused_with_those_there_are():
    message = refusal({"pppm": 3})
    assert "no field 'pppm', perhaps 'ppm' is meant; the fields are name, polarity, analyzer" in message


def test_unknown_planning_field_is_refused_with_those_there_are():
    message = refusal({"planning": {"peaks": 3}})
    assert "planning has no field 'peaks'" in message
    assert message.endswith("the fields are sort_task_peaks, segment_peaks, isotope_task_formulas.")


def test_everything_wrong_is_said_at_once():
    message = refusal({"ppm": -1, "polarity": "x", "adduct": ["+H"]})
    assert all(part in message for part in ("ppm is -1", "polarity is", "no field 'adduct', perhaps 'adducts'"))


def test_long_values_are_cut_in_messages():
    assert len(refusal({"ppm": "3" * 10_000})) < 300


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"ppm: 3", "not JSON"),
        (b'{"ppm": 3,}', "line 1"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"name": "\\ud800"}', "half a character"),
        (b'{"ppm": NaN}', "NaN is not a number"),
        (b'{"ppm": 1e999}', "1e999 is not a number"),
        (b'{"min_pixels": ' + b"9" * 5000 + b"}", "is not a number"),
        (b'{"ppm": 3, "ppm": 5}', "'ppm' stands there more than once"),
        (b"[" * 100_000, "more than 32 deep"),
        (b'{"metadata": {"a": "' + b"x" * 300_000 + b'"}}', "at most 262,144"),
    ],
)
def test_text_that_is_no_configuration_is_refused(data, said):
    assert said in refusal(data)


def test_byte_order_mark_is_passed_over():
    assert JobConfiguration.from_json(b'\xef\xbb\xbf{"ppm": 5}', "job.json").ppm == 5


def test_overriding_values_replace_those_that_are_given():
    configuration = configured(ppm=3, adducts=["+H"], planning={"sort_task_peaks": 5})
    changed = configuration.override(ppm=5, adducts=("+Na", "+K"), polarity=None, planning={"segment_peaks": 7})
    assert (changed.ppm, changed.adducts, changed.polarity) == (5.0, ("+Na", "+K"), None)
    assert (changed.planning.sort_task_peaks, changed.planning.segment_peaks) == (5, 7)
    assert configuration.ppm == 3


def test_overriding_is_checked_like_a_file():
    with pytest.raises(InvalidConfigurationError, match="the command line: ppm is -1"):
        JobConfiguration().override(ppm=-1)
    with pytest.raises(InvalidConfigurationError, match="no field 'mode'"):
        JobConfiguration().override(mode="fast")


@pytest.mark.parametrize(
    ("polarity", "charge", "adducts"), [("positive", 1, ("+H", "+Na", "+K")), ("negative", -1, ("-H", "+Cl"))]
)
def test_polarity_decides_charge_and_adducts(polarity, charge, adducts):
    job = resolve(configured(), header_polarity=polarity)
    assert (job.polarity, job.charge, job.adducts) == (polarity, charge, adducts)


def test_adducts_of_the_user_are_kept():
    assert resolved(adducts=["+NH4", "[M]+"]).adducts == ("+NH4", "[M]+")


def test_missing_polarity_is_refused_with_what_to_set():
    with pytest.raises(InvalidConfigurationError, match="set polarity to positive or negative"):
        resolve(configured())


def test_configuration_goes_before_the_header_with_a_warning():
    job = resolve(configured(polarity="negative", resolving_power=1e5, analyzer="tof"), header_polarity="positive")
    assert job.polarity == "negative"
    assert [finding.code for finding in job.findings] == ["other-polarity"]


def test_electron_adduct_of_the_other_charge_is_refused():
    with pytest.raises(InvalidConfigurationError, match=r"\[M\]- does not go with the polarity, which is positive"):
        resolved(adducts=["[M]-"])


@pytest.mark.parametrize(
    "reference", ["animal", "animal.cbm", "animal.json", "models/animal.CBM", "C:\\models\\animal.cbm"]
)
def test_a_scoring_model_is_known_by_its_name_however_its_file_is_given(reference):
    assert resolved(scoring_model=reference).scoring_model == "animal"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"optical_image": "../photo.png"}, "is no name of a file beside the dataset"),
        ({"optical_image": ".."}, "is no name of a file beside the dataset"),
        ({"transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "transform is given without optical_image"),
        ({"optical_image": "photo.png", "transform": [[1, 0, 0]] * 3}, "has no inverse"),
    ],
)
def test_an_optical_image_is_beside_the_dataset_and_laid_over_an_area(fields, problem):
    with pytest.raises(InvalidConfigurationError, match=problem):
        resolved(**fields)


def test_too_many_modifiers_are_refused():
    with pytest.raises(InvalidConfigurationError, match="make 930 combinations"):
        resolved(
            neutral_losses=[f"-C{n}" for n in range(1, 31)], chemical_modifications=[f"+C{n}" for n in range(1, 10)]
        )


@pytest.mark.parametrize(
    ("instrument", "analyzer"),
    [
        ("Q Exactive Plus", "orbitrap"), ("Exploris 480", "orbitrap"), ("HF-X", "orbitrap"), ("UHMR", "orbitrap"),
        ("solariX FTICR", "fticr"), ("7T FT-ICR", "fticr"), ("ltq ftms", "fticr"), ("FT-MS", "fticr"),
        ("timsTOF fleX", "tof"), ("SELECT SERIES MRT", "tof"), ("Synapt G2-Si", "tof"), ("Xevo", "tof"),
        ("MALDI LTQ Orbitrap TOF", "orbitrap"), ("FTICR-TOF", "fticr"), ("", None), ("quadrupole", None),
    ],
)  # fmt: skip
def test_analyzer_is_told_from_words(instrument, analyzer):
    assert analyzer_of(instrument) == analyzer


def test_analyzer_is_the_users_then_the_headers_then_that_of_the_words():
    header = {"header_polarity": "positive", "header_analyzer": "fticr", "header_instrument": "timsTOF"}
    assert resolve(configured(analyzer="orbitrap"), **header).analyzer == "orbitrap"
    assert resolve(configured(), **header).analyzer == "fticr"
    assert resolve(configured(), **header | {"header_analyzer": None}).analyzer == "tof"


def test_assumptions_are_warned_of():
    job = resolve(configured(), header_polarity="positive", header_instrument="a spectrometer")
    assert (job.analyzer, job.resolving_power) == ("orbitrap", DEFAULT_RESOLVING_POWER)
    assert [(finding.severity, finding.code) for finding in job.findings] == [
        ("warning", "assumed-analyzer"),
        ("warning", "assumed-resolving-power"),
    ]
    assert "'a spectrometer'" in job.findings[0].message


def test_resolving_power_of_the_header_is_better_than_none():
    job = resolve(configured(), "positive", "orbitrap", header_resolving_power=70_000.0)
    assert (job.resolving_power, job.isotope_sigma) == (70_000.0, 0.002476)
    assert [finding.code for finding in job.findings] == ["assumed-resolving-power"]


def test_resolving_power_is_moved_to_mz_200_by_the_analyzer():
    assert resolving_power_at_200("fticr", 80_000, 700) == 280_000
    assert resolving_power_at_200("orbitrap", 70_000, 800) == 140_000
    assert resolving_power_at_200("tof", 30_000, 800) == 30_000
    assert resolved(analyzer="fticr", resolving_power=80_000, resolving_power_mz=700).resolving_power == 280_000


@pytest.mark.parametrize(
    ("resolving_power", "sigma"),
    [
        (1, 0.002476), (84_999, 0.002476), (85_000, 0.001733), (119_999, 0.001733), (120_000, 0.001238),
        (195_000, 0.000693), (265_000, 0.000619), (280_000, 0.000619), (390_000, 0.000347), (625_000, 0.000231),
        (875_000, 0.000173), (1e7, 0.000173),
    ],
)  # fmt: skip
def test_width_of_a_peak_is_that_of_the_class_of_resolving_power(resolving_power, sigma):
    assert sigma_of_class(resolving_power) == sigma


def test_width_of_a_peak_can_be_given():
    job = resolve(configured(polarity="positive", analyzer="tof", isotope_sigma=0.005))
    assert job.isotope_sigma == 0.005
    assert job.findings == ()


def test_resolved_configuration_survives_json():
    job = resolve(configured(metadata={"a": [1, 2.5, None]}, planning={"segment_peaks": 9}), header_polarity="negative")
    assert ResolvedConfiguration.from_json(job.to_json()) == job


def test_ion_settings_are_those_of_the_job():
    job = resolved(neutral_losses=["-H2O"], decoy_sample_size=7, fdr_method="v1", compatibility="metaspace")
    assert (job.ions.adducts, job.ions.neutral_losses) == (("+H", "+Na", "+K"), ("-H2O",))
    assert (job.ions.decoy_sample_size, job.ions.fdr_method, job.ions.compatibility) == (7, "v1", "metaspace")


def test_identity_is_canonical_json_without_what_changes_no_result():
    plain = resolved()
    assert json.loads(plain.identity())["n_levels"] == 30
    assert plain.identity() == json.dumps(json.loads(plain.identity()), sort_keys=True, separators=(",", ":")).encode()
    assert resolved(planning={"sort_task_peaks": 1}, max_cost_usd=2).identity() == plain.identity()
    assert resolve(configured(analyzer="orbitrap", resolving_power=280_000), "positive").identity() == plain.identity()


@pytest.mark.parametrize(
    "fields",
    [{"ppm": 5}, {"adducts": ["+H"]}, {"fdr_method": "v1"}, {"name": "x"}, {"metadata": {"a": 1}}, {"min_pixels": 2}],
)
def test_identity_changes_with_what_changes_results(fields):
    assert resolved(**fields).identity() != resolved().identity()
