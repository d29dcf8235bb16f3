"""The stand-in for a language model tells a person from an answering machine by its words."""

import pytest
from pipecat.classifiers.llm.classifier import LLMClassifier
from pipecat.extensions.voicemail.voicemail_detector import VOICEMAIL_QUESTION
from pipecat.services.openai.llm import OpenAILLMService

from local.providers.classifying import is_machine
from tests.fakes_providers import fake_providers

MACHINES = [
    "You've reached Ada Lovelace. I can't come to the phone right now.",
    "Hi, this is Ada. Please leave a message after the tone.",
    "The person you are calling is not available. Record your message at the beep.",
    "Our office is currently closed. Our opening hours are nine to five.",
    "The number you have dialed is not in service.",
    "This is the mailbox of five five five zero one two three.",
    "Hey, it's Sam, leave your name and number and I'll call you back.",
]
PEOPLE = [
    "Hello?",
    "Yes, hello, who is this?",
    "Ada Lovelace speaking.",
    "Blue Door, good evening, how can I help you?",
    "Can you call me back in ten minutes? I am driving.",
    "Hi, this is Ada.",
    "She is not here at the moment, can I help?",
]


@pytest.mark.parametrize("said", MACHINES)
def test_greeting_is_a_machine(said):
    assert is_machine(said)


@pytest.mark.parametrize("said", PEOPLE)
def test_person_who_answers_is_none(said):
    assert not is_machine(said)


@pytest.mark.parametrize("said, choice", [(MACHINES[0], "voicemail"), (PEOPLE[0], "conversation")])
async def test_pipecats_classifier_understands_the_answer(said, choice):
    async with fake_providers() as providers:
        llm = OpenAILLMService(
            api_key="local",
            base_url=f"http://127.0.0.1:{providers.port}/v1",
            settings=OpenAILLMService.Settings(model="gpt-4.1-mini"),
        )
        try:
            answers = await LLMClassifier(llm=llm).choice(said, {"voicemail": VOICEMAIL_QUESTION})
        finally:
            await llm._client.close()  # Pipecat leaves that to the garbage collector
        assert answers["voicemail"].choice == choice and answers["voicemail"].confidence > 0.9
