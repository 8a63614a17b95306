"""LlamaIndex with its package for OpenAI, with either API: `chat` or `responses`."""

import functools
import sys

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from llama_index.llms.openai import OpenAI, OpenAIResponses
from play import FUNCTIONS, play
from pydantic import BaseModel

LLMS = {"chat": OpenAI, "responses": OpenAIResponses}
VARIANT = sys.argv[1]


class Order(BaseModel):
    colour: str
    tins: int


@functools.cache
def llm(base_url, api_key, model):
    return LLMS[VARIANT](model=model, api_base=base_url, api_key=api_key, max_retries=0)


def llm_of(c):
    return llm(c.base_url, c.api_key, c.model)


def messages_of(c):
    return [
        ChatMessage(role="system", content=c.prompt),
        ChatMessage(role="user", content=c.question),
    ]


async def single(c):
    return [(await llm_of(c).achat(messages_of(c))).message.content]


async def stream(c):
    chunks = await llm_of(c).astream_chat(messages_of(c))
    return ["".join([chunk.delta or "" async for chunk in chunks])]


async def structured(c):
    order = (await llm_of(c).as_structured_llm(Order).achat(messages_of(c))).raw
    return [f"{order.colour} {order.tins}"]


async def tools(c):
    def find_customer(colour: str) -> str:
        return c.find_customer(colour)

    def check_stock(colour: str, tins: int) -> str:
        return c.check_stock(colour, tins)

    functions = [
        FunctionTool.from_defaults(find_customer, description=FUNCTIONS["find_customer"]),
        FunctionTool.from_defaults(check_stock, description=FUNCTIONS["check_stock"]),
    ]
    agent = FunctionAgent(tools=functions, llm=llm_of(c), system_prompt=c.prompt)
    result = await agent.run(c.question)
    return [*c.calls, result.response.content]


async def chat(c):
    agent = FunctionAgent(tools=[], llm=llm_of(c), system_prompt=c.prompt)
    context = Context(agent)
    said = []
    for question in c.questions:
        said.append((await agent.run(question, ctx=context)).response.content)
    return said


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
