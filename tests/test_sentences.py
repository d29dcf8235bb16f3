"""Every language can say everything, and nothing is left in another one."""

import dataclasses

import pytest

from bots.sentences import BY_LANGUAGE, ENGLISH, sentences_for


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_language_has_a_sentence_for_every_need_and_no_english_one(language):
    sentences = sentences_for(language)
    assert all(sentence.strip() for sentence in sentences) and len(sentences.still_there) == 2
    named = [value for value in dataclasses.asdict(sentences).values() if isinstance(value, str)]
    assert set(named) | set(sentences.still_there) == set(sentences)
    assert language == "en" or not set(sentences) & set(ENGLISH)


@pytest.mark.parametrize(
    "tag, word",
    [("de-AT", "Entschuldigung"), ("FR", "excuser"), ("es-MX", "Lo siento"), ("fi-FI", "sorry")],
)
def test_bot_apologises_in_its_language_or_in_english(tag, word):
    assert word in sentences_for(tag).apology
