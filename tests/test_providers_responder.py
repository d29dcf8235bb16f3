from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.providers.phrase_match import PhraseMatcher
from local.providers.responder import NO_RULES, Responder
from local.providers.rules import Rules, RulesError, load_rules
from tests.fakes_providers import BLUE_DOOR_TOOLS, FLOWS, Caller, function


def house(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The tools of Blue Door: eight is full, Monday is closed."""
    if name == "check_availability":
        if date.fromisoformat(arguments["date"]).weekday() == 0:
            return {**arguments, "status": "closed", "alternatives": []}
        full = arguments["time"] == "20:00"
        times = ["18:30", "21:00"] if full else []
        return {**arguments, "status": "full" if full else "free", "alternatives": times}
    if name == "book_table":
        return {**arguments, "status": "booked", "reference": "B-1042"}
    if name == "cancel_table":
        found = arguments["name"] == "Miller"
        return {**arguments, "status": "cancelled" if found else "not_found"}
    if name == "opening_hours":
        return {"status": "open", "date": arguments["day"], "opens": "17:00", "closes": "22:30"}
    return {"status": "ending"}


@pytest.fixture(scope="module")
def responder() -> Responder:
    return Responder(load_rules(FLOWS))


@pytest.fixture
def caller(responder: Responder) -> Caller:
    return Caller(responder, house)


def test_a_table_is_booked_step_by_step(caller: Caller):
    assert "which day" in caller.say("Hi, I'd like to book a table.")
    assert "time" in caller.say("Tomorrow.")
    assert "how many" in caller.say("At seven thirty.").lower()
    said = caller.say("Four people.")
    assert said.startswith("Let me look.")
    assert "name" in said
    said = caller.say("Jennifer Martinez.")
    assert "4 people" in said
    assert "7:30 PM" in said
    assert "Jennifer Martinez" in said
    assert "B 1 0 4 2" in caller.say("Yes, that's right.")
    assert "Goodbye" in caller.say("No, that's all. Thank you. Goodbye.")
    booking = {"date": "2026-11-22", "time": "19:30", "party_size": 4}
    assert caller.calls == [
        ("check_availability", booking),
        ("book_table", {**booking, "name": "Jennifer Martinez"}),
        ("end_call", {}),
    ]


def test_all_said_at_once_leaves_only_the_name_to_ask(caller: Caller):
    said = caller.say("A table for for on Friday the twenty seventh at seven please.")
    assert "name" in said
    assert caller.calls == [
        ("check_availability", {"date": "2026-11-27", "time": "19:00", "party_size": 4})
    ]


def test_a_full_house_offers_other_times_and_takes_one(caller: Caller):
    said = caller.say("A table for two on Friday at eight.")
    assert "8 PM is full" in said
    assert "6:30 PM or 9 PM" in said
    assert "name" in caller.say("The later one please.")
    assert caller.calls[-1][1]["time"] == "21:00"


def test_an_offer_can_be_declined_for_another_day(caller: Caller):
    caller.say("A table for two on Friday at eight.")
    assert "other day" in caller.say("No.")
    caller.say("Thursday at eight thirty.")
    asked = {"date": "2026-11-26", "time": "20:30", "party_size": 2}
    assert caller.calls[-1] == ("check_availability", asked)


def test_a_yes_to_several_offers_asks_which(caller: Caller):
    caller.say("A table for two on Friday at eight.")
    assert "Which one" in caller.say("Yes please.")
    caller.say("Half past six.")
    assert caller.calls[-1][1]["time"] == "18:30"


def test_a_closed_day_is_asked_for_again(caller: Caller):
    assert "closed Monday" in caller.say("A table for two on Monday at seven.")
    assert "name" in caller.say("Then Tuesday.")
    assert caller.calls[-1][1] == {"date": "2026-11-24", "time": "19:00", "party_size": 2}


def test_a_correction_at_the_read_back_is_checked_again(caller: Caller):
    caller.say("A table for two tomorrow at seven, my name is Tom Baker.")
    said = caller.say("No, make it five people.")
    assert "5 people" in said
    assert [name for name, _ in caller.calls] == ["check_availability"] * 2
    assert "change" in caller.say("no")
    assert "6:30 PM" in caller.say("half past six")
    assert "B 1 0 4 2" in caller.say("yes")


def test_a_question_in_between_keeps_the_form_open(caller: Caller):
    caller.say("I'd like a table for two tomorrow.")
    said = caller.say("Do you have parking?")
    assert "garage" in said
    assert "time" in said
    said = caller.say("And when do you close on Friday?")
    assert "5 PM to 10:30 PM" in said
    assert "time" in said
    caller.say("At seven.")
    assert caller.calls == [
        ("opening_hours", {"day": "2026-11-27"}),
        ("check_availability", {"date": "2026-11-22", "time": "19:00", "party_size": 2}),
    ]


def test_a_question_along_with_an_answer_gets_both(caller: Caller):
    caller.say("I'd like a table for tomorrow.")
    said = caller.say("At seven, and do you have vegetarian dishes?")
    assert "vegetarian" in said
    assert "people" in said.lower()


def test_a_table_is_cancelled(caller: Caller):
    caller.say("I want to cancel my table.")
    assert "day" in caller.say("Baker").lower()
    assert "right?" in caller.say("tomorrow")
    assert "no booking" in caller.say("yes")
    caller.say("Miller")
    caller.say("tomorrow")
    assert "is cancelled" in caller.say("That's right.")
    assert caller.calls[-1] == ("cancel_table", {"name": "Miller", "date": "2026-11-22"})


def test_a_caller_who_asks_for_a_human_is_told_the_truth(caller: Caller):
    assert "can't transfer" in caller.say("human plea.")
    assert "can't transfer" in caller.say("Can I talk to someone real?")


def test_a_repetition_is_word_for_word(caller: Caller):
    said = caller.say("Is there parking?")
    assert caller.say("Sorry, can you say that again?") == said


def test_a_scrap_of_a_sentence_cut_at_a_pause_hears_the_answer_again(caller: Caller):
    said = caller.say("Is there parking?")
    assert caller.say("Please.") == said


def test_nonsense_is_met_more_helpfully_each_time(caller: Caller):
    said = [caller.say(text) for text in ("blah wumpus", "gnarf", "frotz")]
    assert len(set(said)) == 3
    assert "table" in said[1]


def test_nonsense_in_a_form_asks_the_same_again(caller: Caller):
    caller.say("I'd like a table for two tomorrow.")
    assert "time" in caller.say("gnarf")


def test_the_form_can_be_given_up(caller: Caller):
    caller.say("I'd like a table for two tomorrow.")
    assert "not booked" in caller.say("Oh, never mind.")
    assert "Goodbye" in caller.say("No.")


def test_fragments_without_an_answer_between_them_are_one_turn(caller: Caller):
    caller.messages.append({"role": "user", "content": "I'd like a table for"})
    caller.say("four people tomorrow at seven")
    assert caller.calls[0][1]["party_size"] == 4


def test_a_tool_that_is_not_offered_is_not_called(responder: Responder):
    tools = [tool for tool in BLUE_DOOR_TOOLS if tool["function"]["name"] != "check_availability"]
    caller = Caller(responder, house, tools=tools)
    assert "can't do that" in caller.say("A table for two tomorrow at seven.")
    assert caller.calls == []


def test_only_declared_arguments_are_sent_with_their_types(responder: Responder):
    tools = [function("check_availability", date="string", party_size="string")]
    caller = Caller(responder, lambda name, arguments: {"status": "full"}, tools=tools)
    caller.say("A table for two tomorrow at seven.")
    assert caller.calls == [("check_availability", {"date": "2026-11-22", "party_size": "2"})]


def test_tools_offered_by_another_node_now_do_not_change_what_was(caller: Caller):
    caller.say("A table for two tomorrow at seven.")
    caller.tools = [function("book_table", date="string", time="string", name="string")]
    caller.messages.append({"role": "developer", "content": "Now ask for the name."})
    assert "name" in caller.listen()
    caller.say("Tom Baker")
    caller.say("yes")
    assert caller.calls[-1][0] == "book_table"


def test_a_tool_that_fails_speaks_its_own_sentence(responder: Responder):
    sentence = "I cannot reach the reservation book right now."
    failing = Caller(responder, lambda name, arguments: {"status": "error", "say": sentence})
    assert sentence in failing.say("A table for two tomorrow at seven.")
    assert "else" in failing.listen()


def test_a_party_too_large_asks_for_the_number_again(responder: Responder):
    sentence = "Our largest table seats 8 guests."
    caller = Caller(responder, lambda name, arguments: {"status": "error", "say": sentence})
    said = caller.say("A table for twelve people tomorrow at seven.")
    assert sentence in said
    caller.say("eight")
    assert caller.calls[-1][1]["party_size"] == 8


def test_a_tool_still_running_is_not_called_twice(responder: Responder, caller: Caller):
    caller.say("I'd like a table for two.")
    call = {
        "name": "check_availability",
        "arguments": '{"date": "2026-11-22", "time": "19:00", "party_size": 2}',
    }
    caller.messages += [
        {"role": "user", "content": "tomorrow at seven"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "x", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "x", "content": "IN_PROGRESS"},
        {"role": "user", "content": "hello?"},
    ]
    answer = responder.answer(caller.messages, BLUE_DOOR_TOOLS)
    assert answer.tool is None
    caller.messages[-2]["content"] = "CANCELLED"
    answer = responder.answer(caller.messages, BLUE_DOOR_TOOLS)
    assert answer.tool == "check_availability"


def test_the_late_result_of_an_async_tool_is_spoken(responder: Responder, caller: Caller):
    from pipecat.processors.aggregators import async_tool_messages

    caller.say("I'd like a table for two.")
    call = {
        "name": "check_availability",
        "arguments": '{"date": "2026-11-22", "time": "19:00", "party_size": 2}',
    }
    caller.messages += [
        {"role": "user", "content": "tomorrow at seven"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "x", "type": "function", "function": call}],
        },
        async_tool_messages.build_started_message("x"),
    ]
    assert "moment" in responder.answer(caller.messages, BLUE_DOOR_TOOLS).text
    final = async_tool_messages.build_final_result_message("x", '{"status": "free"}')
    caller.messages.append(final)  # type: ignore[arg-type]
    assert "name" in responder.answer(caller.messages, BLUE_DOOR_TOOLS).text


def test_without_words_of_the_caller_it_greets(responder: Responder):
    caller = Caller(responder, house)
    assert caller.listen().startswith("Blue Door")


def test_a_prompt_nobody_knows_is_told_so(responder: Responder):
    caller = Caller(responder, house, prompt="You are a pirate.")
    assert caller.say("Hello") == NO_RULES


@pytest.mark.parametrize(
    "written",
    ["Today is 2026-12-01", "Today is Tuesday, December 1, 2026.", "Today is 1 December 2026"],
)
def test_the_date_is_taken_from_the_prompt(responder: Responder, written: str):
    caller = Caller(responder, house, prompt=f"Blue Door. {written}")
    caller.say("A table for two tomorrow at seven.")
    assert caller.calls[0][1]["date"] == "2026-12-02"


def test_without_a_date_in_the_prompt_the_machine_knows_it():
    responder = Responder(load_rules(FLOWS), today=lambda: date(2027, 1, 31))
    caller = Caller(responder, house, prompt="Blue Door")
    caller.say("A table for two tomorrow at seven.")
    assert caller.calls[0][1]["date"] == "2027-02-01"


@pytest.mark.parametrize(
    ("heard", "intent"),
    [
        ("I'd like to book a table", "day"),
        ("Can I make a reservation?", "day"),
        ("But you have a table for too tonight?", "time"),
        ("Hi, I would like to reserve, a table.", "day"),
        ("We'd like to come for dinner on Friday.", "time"),
        ("What are your opening ours?", "open"),
        ("Are you open on Sunday?", "open"),
        ("How late are you opened?", "open"),
        ("Where exactly are you?", "Harbor"),
        ("What's the address, please?", "Harbor"),
        ("Is there any parking near by?", "garage"),
        ("Do you have vegetarian options?", "vegetarian"),
        ("Are you a robot?", "automated"),
        ("Thank you very much.", "welcome"),
        ("good by", "Goodbye"),
        ("Could you put me threw to a person?", "transfer"),
        ("I need to cancel a booking.", "name"),
    ],
)
def test_what_a_recogniser_makes_of_it_is_understood(caller: Caller, heard: str, intent: str):
    assert intent.lower() in caller.say(heard).lower()


def test_the_same_messages_always_get_the_same_answer(responder: Responder, caller: Caller):
    caller.say("A table for two on Friday at eight.")
    caller.messages.append({"role": "user", "content": "the first one"})
    answers = {str(responder.answer(caller.messages, BLUE_DOOR_TOOLS)) for _ in range(3)}
    assert len(answers) == 1


def test_similar_phrases_are_found_and_strange_ones_are_not():
    matcher = PhraseMatcher(
        {"hours": ["when do you open"], "bill": ["I have a question about a bill"]}
    )
    best = matcher.best("when do you opened")
    assert best and best.name == "hours"
    assert best.score > 0.5
    strange = matcher.best("purple elephants")
    assert strange and strange.score < 0.2


def test_every_mistake_of_a_rules_file_is_named(tmp_path: Path):
    rules = {
        "prompt_contains": "X",
        "greting": "Hello",
        "fallbacks": ["?"],
        "slots": {"day": {"type": "weekday", "ask": "?"}},
        "intents": [{"name": "a", "patterns": ["("]}],
    }
    (tmp_path / "bad.rules.yaml").write_text(yaml.safe_dump(rules))
    with pytest.raises(RulesError) as raised:
        load_rules(tmp_path)
    for part in ("bad.rules.yaml", "greting", "slots.day.type", "regular expression"):
        assert part in str(raised.value)


def test_a_name_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ValueError, match="tool 'look' is not one of check"):
        Rules.model_validate(
            {
                "prompt_contains": "Some bot",
                "greeting": "Hello",
                "fallbacks": ["?"],
                "tools": {"check": {}},
                "forms": [{"name": "f", "steps": [{"call": "look"}]}],
            }
        )


def test_a_rules_file_written_later_is_taken_up(tmp_path: Path):
    responder = Responder.load(tmp_path)
    messages = [{"role": "system", "content": "Pirates"}, {"role": "user", "content": "gnarf"}]
    assert responder.answer(messages, []).text == NO_RULES
    rules = {"prompt_contains": "Pirates", "greeting": "Ahoy", "fallbacks": ["Arr?"]}
    (tmp_path / "pirates.rules.yaml").write_text(yaml.safe_dump(rules))
    assert responder.answer(messages, []).text == "Arr?"
    (tmp_path / "pirates.rules.yaml").write_text("prompt_contains: [")
    assert responder.answer(messages, []).text == "Arr?"
