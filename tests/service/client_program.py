"""Asks a service as a user of a client's library would; run by the Python that has the libraries.

    python client_program.py openai|langchain|litellm URL TOKEN IMAGE

Writes one JSON object: what each ask gave, a value or the name of the exception and its words.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY, URL, TOKEN = sys.argv[1:4]
IMAGE = "data:image/png;base64," + base64.b64encode(Path(sys.argv[4]).read_bytes()).decode()
SYSTEM = "You are a visual inspector in a factory. You compare a product with what a good one looks like."
ASK = (
    "\nThis product has a defect. "
    'Describe it as JSON with two keys: "kind", one or two words, and "description", one sentence.'
)
PARTS = [{"type": "image_url", "image_url": {"url": IMAGE}}, {"type": "text", "text": ASK}]
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PARTS}]
found: dict[str, Any] = {}


def ask(name: str, call: Callable[[], Any]) -> None:
    try:
        found[name] = call()
    except Exception as e:
        kinds = [kind.__name__ for kind in type(e).__mro__]
        found[name] = {"raised": kinds, "words": str(e), "param": getattr(e, "param", None)}


def with_openai() -> None:
    import openai
    from pydantic import BaseModel, Field

    class Defect(BaseModel):
        kind: str = Field(description="one or two words")
        description: str

    client = openai.OpenAI(base_url=URL, api_key=TOKEN, max_retries=0, timeout=120)
    slashed = openai.OpenAI(base_url=URL + "/", api_key=TOKEN, max_retries=0, timeout=120)

    def whole(who: Any = client, **fields: Any) -> Any:
        answer = who.chat.completions.create(**{"model": "small", "messages": MESSAGES, **fields})
        return answer.choices[0].message.content

    def streamed(**fields: Any) -> str:
        chunks = client.chat.completions.create(model="small", messages=MESSAGES, stream=True, **fields)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    def parsed_stream() -> list[Any]:
        with client.chat.completions.stream(
            model="small", messages=MESSAGES, response_format=Defect, stream_options={"include_usage": True}
        ) as events:
            final = events.get_final_completion()
        return [final.choices[0].message.parsed.model_dump(), final.usage.completion_tokens]

    async def later() -> Any:
        async with openai.AsyncOpenAI(base_url=URL, api_key=TOKEN, max_retries=0, timeout=120) as other:
            answer = await other.chat.completions.create(model="small", messages=MESSAGES)
            return answer.choices[0].message.content

    def parsed() -> Any:
        answer = client.chat.completions.parse(model="small", messages=MESSAGES, response_format=Defect)
        return answer.choices[0].message.parsed.model_dump()

    def scored() -> int:
        answer = client.chat.completions.create(
            model="small", messages=MESSAGES, logprobs=True, top_logprobs=3, max_tokens=1
        )
        return len(answer.choices[0].logprobs.content[0].top_logprobs)

    ask("models", lambda: [model.id for model in client.models.list()])
    ask("model", lambda: client.models.retrieve("small").id)
    ask("plain", whole)
    ask("slash", lambda: whole(slashed))
    ask("async", lambda: asyncio.run(later()))
    ask("stream", streamed)
    ask("parse", parsed)
    ask("parse stream", parsed_stream)
    ask("logprobs", scored)
    ask("defaults", lambda: whole(
        stop=None, n=1, temperature=0, top_p=1, frequency_penalty=0, presence_penalty=0, logit_bias={},
        seed=1, store=False, metadata={"a": "b"}, service_tier="auto", tools=[], tool_choice="none",
        user="line-1", parallel_tool_calls=True, stream=False, stream_options=None,
        response_format={"type": "text"},
        max_tokens=500, max_completion_tokens=500, modalities=["text"], extra_body={"top_k": -1, "min_p": 0},
    ))  # fmt: skip
    ask("sampling", lambda: whole(temperature=0.7))
    ask("tools", lambda: whole(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]))
    ask("unknown", lambda: whole(model="none"))
    ask("stranger", lambda: whole(openai.OpenAI(base_url=URL, api_key="wrong", max_retries=0)))
    ask("off-prompt", lambda: client.chat.completions.parse(
        model="small", messages=[{"role": "user", "content": "Hello"}], response_format=Defect, max_tokens=9
    ))  # fmt: skip


def with_langchain() -> None:
    from langchain_core.messages import HumanMessage, SystemMessage
    from langchain_openai import ChatOpenAI
    from pydantic import BaseModel

    class Defect(BaseModel):
        """A defect."""

        kind: str
        description: str

    how = {"model": "small", "base_url": URL, "api_key": TOKEN, "max_retries": 0}
    chat = ChatOpenAI(**how)
    talk = [SystemMessage(SYSTEM), HumanMessage(PARTS)]
    block = {"type": "image", "base64": IMAGE.partition(",")[2], "mime_type": "image/png"}
    ask("plain", lambda: chat.invoke(talk).content)
    ask("stream", lambda: "".join(chunk.content for chunk in chat.stream(talk)))
    ask("usage", lambda: chat.invoke(talk).usage_metadata["output_tokens"] > 1)
    ask("batch", lambda: [answer.content for answer in chat.batch([talk, talk])])
    ask("async", lambda: asyncio.run(chat.ainvoke(talk)).content)
    ask("block", lambda: chat.invoke([SystemMessage(SYSTEM), HumanMessage([block, PARTS[1]])]).content)
    ask("parse", lambda: chat.with_structured_output(Defect).invoke(talk).model_dump())
    ask("logprobs", lambda: len(
        chat.bind(logprobs=True, top_logprobs=3, max_tokens=1).invoke(talk)
        .response_metadata["logprobs"]["content"][0]["top_logprobs"]
    ))  # fmt: skip
    ask("sampling", lambda: ChatOpenAI(**how, temperature=0.7).invoke(talk).content)
    ask("tools", lambda: chat.with_structured_output(Defect, method="function_calling").invoke(talk))
    ask("unknown", lambda: ChatOpenAI(**{**how, "model": "none"}).invoke(talk).content)
    ask("stranger", lambda: ChatOpenAI(**{**how, "api_key": "wrong"}).invoke(talk).content)


def with_litellm() -> None:
    import litellm
    from pydantic import BaseModel

    class Defect(BaseModel):
        kind: str
        description: str

    how = {"model": "openai/small", "api_base": URL, "api_key": TOKEN, "messages": MESSAGES, "max_retries": 0}

    def whole(**fields: Any) -> Any:
        return litellm.completion(**{**how, **fields}).choices[0].message.content

    def streamed() -> str:
        chunks = litellm.completion(**how, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    async def later() -> Any:
        return (await litellm.acompletion(**how)).choices[0].message.content

    ask("plain", whole)
    ask("vllm", lambda: whole(model="hosted_vllm/small"))
    ask("stream", streamed)
    ask("async", lambda: asyncio.run(later()))
    ask("parse", lambda: json.loads(whole(response_format=Defect)))
    ask("defaults", lambda: whole(
        n=1, stop=None, user="a", seed=1, presence_penalty=0, frequency_penalty=0, logit_bias={}, tools=[],
        metadata={"a": "b"}, top_p=1, temperature=0, timeout=60,
    ))  # fmt: skip
    ask("sampling", lambda: whole(temperature=0.7))
    ask("unknown", lambda: whole(model="openai/none"))
    ask("stranger", lambda: whole(api_key="wrong"))


{"openai": with_openai, "langchain": with_langchain, "litellm": with_litellm}[LIBRARY]()
print("\n" + json.dumps(found))
