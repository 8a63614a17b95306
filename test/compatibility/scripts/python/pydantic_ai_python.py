"""Pydantic AI, with either API: `chat` or `responses`."""

import functools
import sys

from openai import AsyncOpenAI
from play import FUNCTIONS, play
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

MODELS = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}
VARIANT = sys.argv[1]


class Order(BaseModel):
    colour: str
    tins: int


@functools.cache
def provider_of(base_url, api_key):
    client = AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)
    return OpenAIProvider(openai_client=client)


def agent_of(c, **settings):
    model = MODELS[VARIANT](c.model, provider=provider_of(c.base_url, c.api_key))
    return Agent(model, instructions=c.prompt, retries=0, **settings)


async def single(c):
    return [(await agent_of(c).run(c.question)).output]


async def stream(c):
    async with agent_of(c).run_stream(c.question) as result:
        return ["".join([text async for text in result.stream_text(delta=True)])]


async def structured(c):
    order = (await agent_of(c, output_type=Order).run(c.question)).output
    return [f"{order.colour} {order.tins}"]


async def tools(c):
    agent = agent_of(c)

    @agent.tool_plain(description=FUNCTIONS["find_customer"])
    def find_customer(colour: str) -> str:
        return c.find_customer(colour)

    @agent.tool_plain(description=FUNCTIONS["check_stock"])
    def check_stock(colour: str, tins: int) -> str:
        return c.check_stock(colour, tins)

    result = await agent.run(c.question)
    return [*c.calls, result.output]


async def chat(c):
    agent = agent_of(c)
    said = []
    history = None
    for question in c.questions:
        result = await agent.run(question, message_history=history)
        history = result.all_messages()
        said.append(result.output)
    return said


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
