"""LiteLLM's `completion` and its stream, its structured output and its calls of functions."""

import json

import litellm
from play import FUNCTIONS, play
from pydantic import BaseModel


class Order(BaseModel):
    colour: str
    tins: int


PARAMETERS = {
    "find_customer": {"colour": {"type": "string"}},
    "check_stock": {"colour": {"type": "string"}, "tins": {"type": "integer"}},
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": FUNCTIONS[name],
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(properties),
            },
        },
    }
    for name, properties in PARAMETERS.items()
]


def complete(c, messages, **settings):
    return litellm.completion(
        model=f"openai/{c.model}",
        api_base=c.base_url,
        api_key=c.api_key,
        max_retries=0,
        messages=messages,
        **settings,
    )


def messages_of(c):
    return [{"role": "system", "content": c.prompt}, {"role": "user", "content": c.question}]


def single(c):
    return [complete(c, messages_of(c)).choices[0].message.content]


def stream(c):
    chunks = complete(c, messages_of(c), stream=True)
    return ["".join(chunk.choices[0].delta.content or "" for chunk in chunks)]


def structured(c):
    made = complete(c, messages_of(c), response_format=Order)
    order = Order.model_validate_json(made.choices[0].message.content)
    return [f"{order.colour} {order.tins}"]


def tools(c):
    messages = messages_of(c)
    while True:
        message = complete(c, messages, tools=TOOLS, tool_choice="auto").choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return [*c.calls, message.content]
        for call in message.tool_calls:
            result = c.call(call.function.name, json.loads(call.function.arguments))
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": call.id,
                    "name": call.function.name,
                    "content": result,
                }
            )


def chat(c):
    messages = [{"role": "system", "content": c.prompt}]
    said = []
    for question in c.questions:
        messages.append({"role": "user", "content": question})
        message = complete(c, messages).choices[0].message
        messages.append(message)
        said.append(message.content)
    return said


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
