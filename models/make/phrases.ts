/** How prompts are worded and how people ask. `{item}`, `{field}`, `{company}`, `{place}` are filled in. */

export const OPENINGS = [
  'You work for {company}.',
  'You are the assistant of {company}, a company in {place}.',
  '{company} sells goods in {place}, and you help its staff.',
  'This is the desk of {company} in {place}.',
  'You answer for {company}.',
  'You are the clerk of {company}.',
] as const

/** What a prompt says beside its task, so that the task has to be found in it. */
export const POLICIES = [
  'Be polite and brief.',
  'The office in {place} is open from 8 to 17.',
  'Orders that come in after noon are packed on the next day.',
  'Never mention other companies.',
  'Staff write from all floors, in a hurry and with few words.',
  'Do not ask anything back.',
  'The list was last checked by {company} in spring.',
  'All entries below are in force until further notice.',
  'Customers may write in the singular or with an article.',
  'Do not explain your answer.',
  'Deliveries leave from {place} twice a day.',
  'If in doubt, read the list again.',
] as const

export const BARE_RULES = [
  'Answer with the {field} alone.',
  'Reply with nothing but the {field}.',
  'Give only the {field}, no other word.',
  'Your answer is the {field} and nothing else.',
] as const

export const ITEM_QUESTIONS = [
  'What is the {field} for the {item}?',
  '{field} of {item}?',
  'I need the {field} for {item}.',
  'Which {field} does the {item} have?',
  'Hello, could you tell me the {field} of the {item}, please?',
  'We are looking for {item}. What {field} is it?',
  '{item}',
  'the {item}, please',
  'Please look up {item}.',
  'Someone left a {item} here. Which {field}?',
  'Do you know the {field} of our {item}?',
  'A customer wants to know the {field} of the {item}.',
  '{item}: which {field}?',
  'Can you check the {item} for me?',
  'My colleague asks for the {item}.',
  'Quick one: {item}, {field}?',
  'Please send me the {field} of the {item}.',
  'Is there a {field} for {item}?',
  'The {field} of a {item}, please.',
  'For the {item} I need a {field}.',
  'Where do I find the {item}?',
  'Please check {item} once more.',
  'Nobody here knows the {field} of the {item}.',
  'And the {item}?',
  'Hello, it is about the {item}.',
  'What {field} do we have for {item}?',
  'I am looking for the {field} of our {item}.',
  'One {item}. Which {field} is that?',
  'Can somebody tell me the {field} for a {item}?',
  'We need {item} today, so what is the {field}?',
  'My note says {item}, but no {field}.',
  'Next is the {item}.',
  'Could you look up the {field} for our {item}?',
  'Please give me {item}.',
] as const

export const TOPIC_QUESTIONS = [
  'I have a question about my {item}.',
  'My {item} is wrong.',
  'Where is my {item}?',
  'Please help me with the {item}.',
  'There is a problem with a {item}.',
  'I am still waiting for the {item}.',
  'Who can change my {item}?',
  'The {item} did not work again.',
  'How do I get a new {item}?',
  'I would like to talk to somebody about the {item}.',
  'Nobody answered me about my {item} yet.',
  'Can you send me the {item} once more?',
  '{item}',
  'Hello, it is about my {item}.',
  'Please check my {item}.',
  'I do not know what to do with the {item}.',
  'Somebody told me to ask you about the {item}.',
  'My {item} is late again.',
  'Could you look at the {item} for me?',
  'Is there a problem with my {item}?',
  'I need the {item} today.',
  'Who answers questions about a {item}?',
  'We have no {item} yet.',
  'The {item}, please.',
  'I wrote to you about the {item} in spring.',
  'What happens with my {item} now?',
] as const

/** How a message says that an exception applies; `{flag}` is the word of the rule. */
export const FLAGS = [
  'It is {flag}.',
  'This one is {flag}!',
  'My note says {flag}.',
  '{flag}, by the way.',
] as const

export const EXCEPTION_RULES = [
  'If a message says {flag}, the {field} is always {value}.',
  'Exception: messages with the word {flag} get the {field} {value}.',
  'Whatever is marked {flag} has the {field} {value}.',
] as const
