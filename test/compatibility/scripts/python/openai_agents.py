"""OpenAI's Agents SDK, with either API: `chat` or `responses`."""

import functools
import sys

import openai
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
)
from play import FUNCTIONS, play
from pydantic import BaseModel

MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
VARIANT = sys.argv[1]


class Order(BaseModel):
    colour: str
    tins: int


@functools.cache
def client_of(base_url, api_key):
    return openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)


def agent_of(c, **settings):
    model = MODELS[VARIANT](model=c.model, openai_client=client_of(c.base_url, c.api_key))
    return Agent(name="Clerk", instructions=c.prompt, model=model, **settings)


async def single(c):
    return [(await Runner.run(agent_of(c), c.question)).final_output]


async def stream(c):
    result = Runner.run_streamed(agent_of(c), c.question)
    text = ""
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    return [text]


async def structured(c):
    order = (await Runner.run(agent_of(c, output_type=Order), c.question)).final_output
    return [f"{order.colour} {order.tins}"]


async def tools(c):
    @function_tool(description_override=FUNCTIONS["find_customer"])
    def find_customer(colour: str) -> str:
        return c.find_customer(colour)

    @function_tool(description_override=FUNCTIONS["check_stock"])
    def check_stock(colour: str, tins: int) -> str:
        return c.check_stock(colour, tins)

    result = await Runner.run(agent_of(c, tools=[find_customer, check_stock]), c.question)
    return [*c.calls, result.final_output]


async def chat(c):
    agent = agent_of(c)
    session = SQLiteSession(str(c.number))
    return [
        (await Runner.run(agent, question, session=session)).final_output
        for question in c.questions
    ]


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
