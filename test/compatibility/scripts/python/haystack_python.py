"""Haystack's generators and its agent, with either API: `chat` or `responses`."""

import functools
import sys

from haystack.components.agents import Agent
from haystack.components.generators.chat import (
    OpenAIChatGenerator,
    OpenAIResponsesChatGenerator,
)
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret
from play import FUNCTIONS, play
from pydantic import BaseModel

GENERATORS = {"chat": OpenAIChatGenerator, "responses": OpenAIResponsesChatGenerator}
FORMATS = {"chat": "response_format", "responses": "text_format"}
VARIANT = sys.argv[1]


class Order(BaseModel):
    colour: str
    tins: int


@functools.cache
def generator(base_url, api_key, model):
    return GENERATORS[VARIANT](
        model=model, api_base_url=base_url, api_key=Secret.from_token(api_key), max_retries=0
    )


def generator_of(c):
    return generator(c.base_url, c.api_key, c.model)


def messages_of(c):
    return [ChatMessage.from_system(c.prompt), ChatMessage.from_user(c.question)]


def single(c):
    return [generator_of(c).run(messages_of(c))["replies"][0].text]


def stream(c):
    texts = []
    generator_of(c).run(
        messages_of(c), streaming_callback=lambda chunk: texts.append(chunk.content)
    )
    return ["".join(texts)]


def structured(c):
    settings = {FORMATS[VARIANT]: Order}
    reply = generator_of(c).run(messages_of(c), generation_kwargs=settings)["replies"][0]
    order = Order.model_validate_json(reply.text)
    return [f"{order.colour} {order.tins}"]


def tool_of(c, name, **properties):
    return Tool(
        name=name,
        description=FUNCTIONS[name],
        parameters={"type": "object", "properties": properties, "required": list(properties)},
        function=getattr(c, name),
    )


def tools(c):
    agent = Agent(
        chat_generator=generator_of(c),
        system_prompt=c.prompt,
        tools=[
            tool_of(c, "find_customer", colour={"type": "string"}),
            tool_of(c, "check_stock", colour={"type": "string"}, tins={"type": "integer"}),
        ],
    )
    result = agent.run(messages=[ChatMessage.from_user(c.question)])
    return [*c.calls, result["last_message"].text]


def chat(c):
    messages = [ChatMessage.from_system(c.prompt)]
    said = []
    for question in c.questions:
        messages.append(ChatMessage.from_user(question))
        reply = generator_of(c).run(messages)["replies"][0]
        messages.append(reply)
        said.append(reply.text)
    return said


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
