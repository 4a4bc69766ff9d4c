"""Markup that cannot be broken out of."""

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.export.markup import element, page


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


@given(st.text(min_size=1, max_size=40))
def test_any_text_stays_text(text):
    found = read(page("t", "", element("p", text, title=text)))
    assert found.tags == ["html", "head", "meta", "meta", "title", "style", "body", "p"]
    kept = re.sub(r"[\x00-\x08\x0b-\x1f]", "", text)
    assert dict(found.attributes)["title"].replace("\n", "") == kept.replace("\n", "")
    assert kept.strip() in found.text


def test_text_and_elements_keep_their_order():
    made = page("t", "", element("p", "a", element("b", "c"), "d", element("i"), "e"))
    assert "<p>a<b>c</b>d<i></i>e</p>" in made


def test_attribute_names_and_numbers():
    made = page("t", "", element("p", class_="x", stroke_width=1.23456789, n=3))
    assert '<p class="x" stroke-width="1.23457" n="3">' in made


def test_style_is_not_escaped():
    assert "a > b { }" in page("t", "a > b { }")
