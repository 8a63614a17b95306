"""smolagents: its model of OpenAI's API, and its agent of calls, which ends with `final_answer`."""

import functools
import json

from play import FUNCTIONS, play
from smolagents import ChatMessage, LogLevel, OpenAIServerModel, Tool, ToolCallingAgent

ORDER = {
    "type": "json_schema",
    "json_schema": {
        "name": "order",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"colour": {"type": "string"}, "tins": {"type": "integer"}},
            "required": ["colour", "tins"],
            "additionalProperties": False,
        },
    },
}

COLOUR = {"type": "string", "description": "The colour of the paint."}
TINS = {"type": "integer", "description": "How many tins."}


@functools.cache
def openai_model(base_url, api_key, model):
    return OpenAIServerModel(
        model_id=model,
        api_base=base_url,
        api_key=api_key,
        client_kwargs={"max_retries": 0},
        retry=False,
    )


def model_of(c):
    return openai_model(c.base_url, c.api_key, c.model)


def messages_of(c):
    texts = {"system": c.prompt, "user": c.question}
    return [
        ChatMessage(role=role, content=[{"type": "text", "text": text}])
        for role, text in texts.items()
    ]


def agent_of(c, tools):
    return ToolCallingAgent(
        tools=tools, model=model_of(c), instructions=c.prompt, verbosity_level=LogLevel.OFF
    )


def single(c):
    return [model_of(c).generate(messages_of(c)).content]


def stream(c):
    return ["".join(delta.content or "" for delta in model_of(c).generate_stream(messages_of(c)))]


def structured(c):
    order = json.loads(model_of(c).generate(messages_of(c), response_format=ORDER).content)
    return [f"{order['colour']} {order['tins']}"]


def tools(c):
    class FindCustomer(Tool):
        name = "find_customer"
        description = FUNCTIONS[name]
        inputs = {"colour": COLOUR}
        output_type = "string"

        def forward(self, colour):
            return c.find_customer(colour)

    class CheckStock(Tool):
        name = "check_stock"
        description = FUNCTIONS[name]
        inputs = {"colour": COLOUR, "tins": TINS}
        output_type = "string"

        def forward(self, colour, tins):
            return c.check_stock(colour, tins)

    answer = agent_of(c, [FindCustomer(), CheckStock()]).run(c.question)
    return [*c.calls, answer]


def chat(c):
    agent = agent_of(c, [])
    return [agent.run(question, reset=False) for question in c.questions]


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
