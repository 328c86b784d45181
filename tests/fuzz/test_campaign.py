"""What the fuzzers are made of, and what the campaign says."""

from __future__ import annotations

from pathlib import Path

from .campaign import Result, read_result, report
from .choices import Choices
from .mutation import mutate


def test_the_last_figures_of_a_log_count(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a").write_bytes(b"x")
    (tmp_path / "crashes").mkdir()
    (tmp_path / "crashes" / "KeyError-x-1").write_bytes(b"x")
    (tmp_path / "crashes" / "KeyError-x-1.txt").write_text("Traceback")
    log = "#2 INITED cov: 3\n#91 NEW cov: 14 ft: 20\nstat::number_of_executed_units: 120\nstat::new_units_added: 7\n"
    crash = tmp_path / "crashes" / "KeyError-x-1"
    assert read_result("imzml", log, tmp_path, 0) == Result("imzml", 120, 14, 7, 1, (crash,), 0)


def test_a_process_that_was_stopped_still_has_counted_its_executions(tmp_path: Path) -> None:
    assert read_result("imzml", "#2 INITED cov: 3\n#91 NEW cov: 14\n", tmp_path, 77).executions == 91


def test_the_report_says_how_to_repeat_a_crash() -> None:
    results = [Result("imzml", 1200, 14, 7, 1, (Path("x/KeyError"),), 0), Result("keys", 5, 1, 0, 1, (), 77)]
    text = report(results, 60)
    assert "| `imzml` | 1,200 | 14 | 7 | 1 | 1 |" in text
    assert "--repeat x/KeyError imzml" in text
    assert "keys ended with exit code 77" in text


def test_choices_come_from_the_bytes_and_are_the_first_ones_past_their_end() -> None:
    choices = Choices(b"\x02\xff\x00\x01")
    assert choices.pick("abc") == "c"
    assert choices.integer(10, 13) == 10 + 255 % 4
    assert choices.take(4) == b"\x00\x01\x00\x00"
    assert (choices.pick("abc"), choices.integer(-3, 400), choices.rest()) == ("a", -3, b"")


def test_mutations_depend_on_their_seed_alone_and_stay_within_the_length() -> None:
    data = b"<a><b>12</b></a> " * 10
    found = {mutate(data, 60, seed, (b"WORD",)) for seed in range(50)}
    assert found == {mutate(data, 60, seed, (b"WORD",)) for seed in range(50)}
    assert len(found) > 10
    assert all(len(each) <= 60 for each in found)
    assert any(b"WORD" in each for each in found)
