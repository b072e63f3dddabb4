"""Columns, numbers and tables for a terminal."""

import io
import sys
from contextlib import redirect_stdout

import pytest

from heatbath.core.text import Page, columns, number, option_lines, result_table


def test_columns_are_as_wide_as_their_widest_cell_and_lines_do_not_end_in_spaces():
    text = columns([("a", "bb", "c"), ("dddd", "e", ""), ("f",)])
    assert text == "a     bb  c\ndddd  e\nf"


def test_the_gap_is_as_asked_for():
    assert columns([("a", "b")], gap=" | ") == "a | b"


def test_a_column_without_text_takes_no_room():
    assert columns([("a", "", "b"), ("c", "", "d")]) == "a  b\nc  d"
    assert columns([("a", "", "b"), ("c", "x", "d")]) == "a     b\nc  x  d"


def test_no_rows_are_no_text():
    assert columns([]) == ""
    assert columns(iter(())) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (0.0, "0"), (1, "1"), (0.123456, "0.1235"), (-12345.6, "-1.235e+04"), (1e-9, "1e-09"),
        (float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf"),
    ],
)  # fmt: skip
def test_a_number_has_four_significant_digits(value, text):
    assert number(value) == text


def test_the_result_has_a_column_for_each_reference_and_a_dash_where_it_says_nothing():
    text = result_table({"mse": 0.5, "d_stsp": 12.0}, {"true": {"mse": 0.0, "other": 3.0}, "floor": {"d_stsp": None}})
    assert text.splitlines() == [
        "metric  this run  true  floor",
        "mse     0.5       0     -",
        "d_stsp  12        -     -",
    ]


def test_option_lines_are_dotted_and_a_choice_stands_without_use():
    lines = option_lines({"alpha": {"use": "linear", "end": 0.5}, "window": 3, "losses": {"fit": {"use": "mse"}}})
    assert lines == ["alpha linear", "alpha.end 0.5", "window 3", "losses.fit mse"]


@pytest.mark.parametrize(("encoding", "shown"), [(None, "utf-8"), ("ascii", "ascii")])
def test_a_page_catches_what_is_printed_and_has_an_encoding(encoding, shown):
    page = Page(encoding)
    assert isinstance(page, io.StringIO)
    assert page.encoding == shown
    with redirect_stdout(page):
        sys.stdout.write("caught\n")
    assert page.getvalue() == "caught\n"
