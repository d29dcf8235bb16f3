from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pipecat.frames.frames import LLMContextFrame, LLMFullResponseEndFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService

from local.providers.server import ProviderOptions, Providers
from tests.fakes_providers import BLUE_DOOR_TOOLS, Tap, fake_providers, running

PROMPT = {"role": "system", "content": "You work for Blue Door. Today is 2026-11-21."}


@asynccontextmanager
async def sdk(providers: Providers, key: str = "local", **more: Any) -> AsyncIterator[AsyncOpenAI]:
    url = f"http://127.0.0.1:{providers.port}/v1"
    async with AsyncOpenAI(api_key=key, base_url=url, **more) as client:
        yield client


def asking(text: str) -> Any:
    return [PROMPT, {"role": "user", "content": text}]


@asynccontextmanager
async def service_of(providers: Providers, key: str = "local") -> AsyncIterator[OpenAILLMService]:
    service = OpenAILLMService(
        api_key=key,
        base_url=f"http://127.0.0.1:{providers.port}/v1",
        settings=OpenAILLMService.Settings(model="gpt-4.1", system_instruction=PROMPT["content"]),
    )
    yield service
    await service._client.close()  # Pipecat leaves that to the garbage collector


async def test_the_sdk_lists_models_and_gets_a_whole_answer():
    async with fake_providers() as providers, sdk(providers) as client:
        names = [model.id async for model in client.models.list()]
        assert "gpt-4.1-mini" in names
        done = await client.chat.completions.create(
            model="gpt-4.1-mini", messages=asking("Is there parking?")
        )
        assert "garage" in (done.choices[0].message.content or "")
        assert done.choices[0].finish_reason == "stop"
        assert done.model == "gpt-4.1-mini"
        assert done.usage and done.usage.total_tokens > done.usage.completion_tokens


async def test_the_sdk_streams_words_and_then_the_usage():
    async with fake_providers() as providers, sdk(providers) as client:
        stream = await client.chat.completions.create(
            model="gpt-4.1",
            messages=asking("Is there parking?"),
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 5
    assert "garage" in "".join(piece or "" for piece in pieces)
    assert chunks[-1].usage and not chunks[-1].choices


async def test_the_sdk_gets_a_tool_call_with_a_sentence_before_it():
    async with fake_providers() as providers, sdk(providers) as client:
        done = await client.chat.completions.create(
            model="gpt-4.1",
            messages=asking("A table for two tomorrow at seven"),
            tools=BLUE_DOOR_TOOLS,  # type: ignore[arg-type]
        )
    message = done.choices[0].message
    assert done.choices[0].finish_reason == "tool_calls"
    assert message.content == "Let me look."
    assert message.tool_calls
    call: Any = message.tool_calls[0]
    assert call.function.name == "check_availability"
    assert '"party_size": 2' in call.function.arguments


async def test_with_tool_choice_none_no_tool_is_called():
    async with fake_providers() as providers, sdk(providers) as client:
        done = await client.chat.completions.create(
            model="gpt-4.1",
            messages=asking("A table for two tomorrow at seven"),
            tools=BLUE_DOOR_TOOLS,  # type: ignore[arg-type]
            tool_choice="none",
        )
    assert done.choices[0].message.tool_calls is None


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("sk-other", openai.AuthenticationError),
        ("local+llm.status=401", openai.AuthenticationError),
        ("local+llm.status=404", openai.NotFoundError),
        ("local+llm.status=429", openai.RateLimitError),
        ("local+llm.status=500", openai.InternalServerError),
    ],
)
async def test_the_sdk_knows_each_error(key: str, error: type[openai.APIStatusError]):
    async with fake_providers() as providers, sdk(providers, key, max_retries=0) as client:
        with pytest.raises(error):
            await client.chat.completions.create(model="gpt-4.1", messages=asking("hello"))


async def test_the_sdk_retries_a_rate_limit_and_succeeds():
    async with fake_providers() as providers, sdk(providers, "local+llm.status=429x1") as client:
        await client.chat.completions.create(model="gpt-4.1", messages=asking("hello"))
        assert providers.faults.fired == {"llm.status": 1}


async def test_a_stream_that_is_cut_ends_in_an_error_after_some_words():
    async with fake_providers() as providers, sdk(providers, "local+llm.cut@4") as client:
        stream = await client.chat.completions.create(
            model="gpt-4.1", messages=asking("Is there parking?"), stream=True
        )
        heard: list[str] = []
        with pytest.raises((openai.APIConnectionError, openai.APIError, Exception)) as raised:
            async for chunk in stream:
                heard.append(chunk.choices[0].delta.content or "")
    assert len(heard) == 4
    assert "read" in str(raised.value).lower() or "connection" in str(raised.value).lower()


async def test_a_body_without_messages_is_a_bad_request():
    async with fake_providers() as providers, sdk(providers, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="messages"):
            await client.post("/chat/completions", body={"model": "x"}, cast_to=object)


async def test_pipecats_service_speaks_a_tools_result():
    async with fake_providers() as providers, service_of(providers) as service:
        asked: list[dict[str, Any]] = []

        async def check_availability(
            params: FunctionCallParams, date: str, time: str, party_size: int
        ):
            """Look whether a table is free.

            Args:
                params: Pipecat's.
                date: ISO date.
                time: HH:MM.
                party_size: Guests.
            """
            asked.append({"date": date, "time": time, "party_size": party_size})
            await params.result_callback({"status": "free"})

        context = LLMContext(tools=[check_availability])
        user, assistant = LLMContextAggregatorPair(context)
        tap = Tap()
        async with running(user, service, tap, assistant) as (worker, errors):
            context.add_message({"role": "user", "content": "A table for two tomorrow at seven."})
            await worker.queue_frame(LLMContextFrame(context))
            await tap.wait(lambda frame: isinstance(frame, LLMTextFrame) and "name" in frame.text)
            await tap.wait(lambda frame: isinstance(frame, LLMFullResponseEndFrame))
        assert asked == [{"date": "2026-11-22", "time": "19:00", "party_size": 2}]
        assert errors == []


async def test_pipecats_service_reports_a_wrong_key_once():
    async with fake_providers() as providers, service_of(providers, "sk-other") as service:
        context = LLMContext()
        tap = Tap()
        async with running(service, tap) as (worker, errors):
            context.add_message({"role": "user", "content": "Hello."})
            await worker.queue_frame(LLMContextFrame(context))
            await tap.wait(lambda frame: isinstance(frame, LLMFullResponseEndFrame))
        assert len(errors) == 1
        assert "sk-other" not in errors[0].error


async def test_another_server_answers_instead_of_the_rules():
    async with fake_providers(ProviderOptions(keys=("upstream-key",))) as upstream:
        options = ProviderOptions(
            openai_url=f"http://127.0.0.1:{upstream.port}/v1", openai_key="upstream-key"
        )
        async with fake_providers(options) as providers, sdk(providers) as client:
            assert [model.id async for model in client.models.list()]
            done = await client.chat.completions.create(
                model="some/model", messages=asking("Is there parking?")
            )
            assert "garage" in (done.choices[0].message.content or "")
            assert done.model == "some/model"
            stream = await client.chat.completions.create(
                model="some/model", messages=asking("Is there parking?"), stream=True
            )
            said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert "garage" in said
        assert upstream.faults.served == {"llm": 2}


async def test_a_refusal_of_the_other_server_is_passed_on():
    async with fake_providers(ProviderOptions(keys=("upstream-key",))) as upstream:
        url = f"http://127.0.0.1:{upstream.port}/v1"
        options = ProviderOptions(openai_url=url, openai_key="wrong")
        async with (
            fake_providers(options) as providers,
            sdk(providers, max_retries=0) as client,
        ):
            for stream in (False, True):
                with pytest.raises(openai.AuthenticationError, match="refused"):
                    await client.chat.completions.create(
                        model="x", messages=asking("hi"), stream=stream
                    )


async def test_a_server_that_is_not_there_is_an_error_and_no_silence(unused_tcp_port: int):
    options = ProviderOptions(openai_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
    async with fake_providers(options) as providers, sdk(providers, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError, match="did not answer"):
            await client.chat.completions.create(model="x", messages=asking("hi"))
