"""LangChain with its package for OpenAI, with either API: `chat` or `responses`."""

import functools
import sys

from langchain.agents import create_agent
from langchain.messages import HumanMessage, SystemMessage
from langchain.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from play import FUNCTIONS, play
from pydantic import BaseModel

VARIANT = sys.argv[1]


class Order(BaseModel):
    colour: str
    tins: int


@functools.cache
def chat_model(base_url, api_key, model):
    return ChatOpenAI(
        model=model,
        base_url=base_url,
        api_key=api_key,
        max_retries=0,
        use_responses_api=VARIANT == "responses",
    )


def model_of(c):
    return chat_model(c.base_url, c.api_key, c.model)


def messages_of(c):
    return [SystemMessage(c.prompt), HumanMessage(c.question)]


def single(c):
    return [model_of(c).invoke(messages_of(c)).text]


def stream(c):
    return ["".join(chunk.text for chunk in model_of(c).stream(messages_of(c)))]


def structured(c):
    order = model_of(c).with_structured_output(Order).invoke(messages_of(c))
    return [f"{order.colour} {order.tins}"]


def answer_of(agent, question, config=None):
    state = agent.invoke({"messages": [{"role": "user", "content": question}]}, config)
    return state["messages"][-1].text


def tools(c):
    @tool(description=FUNCTIONS["find_customer"])
    def find_customer(colour: str) -> str:
        return c.find_customer(colour)

    @tool(description=FUNCTIONS["check_stock"])
    def check_stock(colour: str, tins: int) -> str:
        return c.check_stock(colour, tins)

    agent = create_agent(model_of(c), [find_customer, check_stock], system_prompt=c.prompt)
    answer = answer_of(agent, c.question)
    return [*c.calls, answer]


def chat(c):
    agent = create_agent(model_of(c), system_prompt=c.prompt, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": str(c.number)}}
    return [answer_of(agent, question, thread) for question in c.questions]


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
