/** Forms of answers as applications have them, with requests in many wordings. */
import {
  day,
  iso,
  MONTHS,
  soleSource,
  two,
  written,
  type Day,
  type Draw,
  type Grammar,
} from '../../test/kit/form-grammars.ts'
import { invented, message, person, product, say } from './wording.ts'

const TEENS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' '
  )
const TENS = '- - twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')

/** Below a hundred. */
const inWords = (number: number): string => {
  if (number < TEENS.length) return TEENS[number]!
  const [tens, ones] = [TENS[Math.floor(number / 10)]!, number % 10]
  return ones === 0 ? tens : `${tens}-${TEENS[ones]}`
}

const row = (draw: Draw, sentences: readonly string[], answer: unknown): ReturnType<Grammar> => ({
  sources: soleSource(message(draw, sentences)),
  answer: typeof answer === 'string' ? answer : JSON.stringify(answer),
})

const ORDERS = [
  'please send me {count} {product}.',
  'I would like to order {count} {product}.',
  'could we get {count} {product} for the office?',
  'we need {count} {product} as soon as possible.',
  'put {count} {product} on my account.',
  'I want to buy {count} {product}.',
  'our order this time: {count} {product}.',
  'we are out of {product}, so {count} would be good.',
  'do you have {product}? If so, I take {count}.',
  'about the {product}: make it {count}, please.',
  '{count} {product}, please.',
  'can you deliver {count} {product} by Friday?',
]
const NOTES = [
  'leave it at door {door}',
  'ring twice',
  'call before you come',
  'use the side entrance',
  'ask for {who}',
  'put it behind the shed of house {door}',
  'do not ring after {door} pm',
]
const NOTED = [
  'For the driver: {note}.',
  'One thing: {note}.',
  'Delivery note: {note}.',
  'Please {note}.',
]

/** Number words, an optional member, JSON as Python writes it. */
const order: Grammar = (draw) => {
  const quantity = 1 + draw.below(80)
  const goods = product(draw)
  const count = draw.chance(0.5) ? inWords(quantity) : String(quantity)
  const said = say(draw, draw.one(ORDERS), { count, product: goods })
  const values = { door: String(1 + draw.below(9)), who: person(draw) }
  const note = draw.chance(0.4)
    ? draw.one(NOTES).replaceAll(/\{(\w+)\}/g, (_, name) => values[name as 'door' | 'who'])
    : null
  const answer = `{"product": "${goods}", "quantity": ${quantity}${note ? `, "note": "${note}"` : ''}}`
  return row(draw, [said, ...(note ? [say(draw, draw.one(NOTED), { note })] : [])], answer)
}

const TROUBLES: Record<string, string[]> = {
  billing: [
    'I was charged twice this month.',
    'the amount on my bill is wrong.',
    'why did the price go up?',
    'my card was debited although I had paid.',
    'please explain the fee on my statement.',
    'the invoice shows the wrong company.',
  ],
  bug: [
    'the page stays blank after I sign in.',
    'your app crashes when I open a file.',
    'the button does nothing.',
    'I get an error when I save.',
    'the list loads for ever.',
    'the search finds nothing any more.',
  ],
  access: [
    'I cannot log in.',
    'I forgot my password.',
    'the code for signing in never arrives.',
    'my account is locked.',
    'please reset my login.',
    'somebody else uses my account.',
  ],
  feature: [
    'it would be great to have a dark theme.',
    'could you add an export to a table?',
    'I wish that I could sort by date.',
    'please support several languages.',
    'will there be a calendar?',
    'a shortcut for copying would help us.',
  ],
  cancel: [
    'I want to end my subscription.',
    'please close our account.',
    'we do not need the service any longer.',
    'stop the renewal, please.',
    'how do I quit my plan?',
    'terminate the contract at the next date.',
  ],
}
const URGENT = ['It is urgent!', 'We cannot work like this.', 'Please hurry.', 'I need this today.']
const CALM = ['Take your time.', 'There is no hurry.', '', 'Whenever you have a moment.', '']
const DEVICES: [tag: string, words: string[]][] = [
  ['ios', ['on my iPhone', 'on an iPad']],
  ['android', ['on my Android phone', 'on an Android tablet']],
  ['web', ['in the browser', 'on your web page']],
]
const NUMBERED = ['My ticket is {id}.', 'See {id}.', 'Reference: {id}', 'This belongs to {id}.']

/** A decision, a boolean, a null, a set of labels, indented in a code fence. */
const ticket: Grammar = (draw) => {
  const topic = draw.one(Object.keys(TROUBLES))
  const isUrgent = draw.chance(0.35)
  const id = draw.chance(0.6) ? `${draw.one(['TK', 'SR', 'INC'])}-${draw.digits(5)}` : null
  const seen = DEVICES.filter(() => draw.chance(0.3))
  const where = seen.map(([, words]) => draw.one(words)).join(' and ')
  const sentences = [
    say(draw, draw.one(TROUBLES[topic]!)),
    ...(where === ''
      ? []
      : [say(draw, draw.one(['It is so {where}.', 'I see it {where}.']), { where })]),
    ...(id === null ? [] : [say(draw, draw.one(NUMBERED), { id })]),
    say(draw, draw.one(isUrgent ? URGENT : CALM)),
  ].filter((sentence) => sentence !== '')
  const value = { topic, urgent: isUrgent, ticket: id, devices: seen.map(([tag]) => tag) }
  return row(draw, sentences, `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``)
}

const CURRENCIES = [
  ['€', 'EUR'],
  ['$', 'USD'],
  ['£', 'GBP'],
] as const

/** Three notations of dates, an amount with separators, a currency, a nested object; the lines in any order. */
const invoice: Grammar = (draw) => {
  const [issued, due]: Day[] = [day(draw), day(draw)] as [Day, Day]
  const amount = ((100 + draw.below(900_000)) / 100).toFixed(2)
  const shown = amount.replace(/\B(?=(\d{3})+\.)/g, ',')
  const [symbol, currency] = draw.one(CURRENCIES)
  const [seller, buyer] = [person(draw), person(draw)]
  const lines = [
    say(
      draw,
      draw.one(['Invoice of {it}', 'Issued on {it}', 'Date of invoice: {it}', 'Billed {it}']),
      {
        it: written(draw, issued!),
      }
    ),
    say(
      draw,
      draw.one(['Seller: {it}', 'From {it}', 'Supplied by {it}', 'Your supplier is {it}']),
      {
        it: seller,
      }
    ),
    say(draw, draw.one(['Buyer: {it}', 'Billed to {it}', 'Customer: {it}', 'For {it}']), {
      it: buyer,
    }),
    say(draw, draw.one(['Total: {it}', 'Amount due {it}', 'Please pay {it}', 'The sum is {it}']), {
      it: `${symbol}${shown}`,
    }),
    say(
      draw,
      draw.one(['Due by {it}', 'Payable until {it}', 'Payment is due on {it}', 'Deadline {it}']),
      {
        it: written(draw, due!),
      }
    ),
  ]
  const value = {
    issued: iso(issued!),
    due: iso(due!),
    total: { amount: Number(amount), currency },
    parties: { seller: seller.toUpperCase(), buyer: buyer.toUpperCase() },
  }
  return row(draw, draw.some(lines, lines.length), value)
}

const LISTS = [
  'We need {list}.',
  'Please pack {list}.',
  'Our list: {list}.',
  'On the list today are {list}.',
]
const RECEIVERS = [
  'Deliver it to {who}.',
  'It is for {who}.',
  '{who} will pick it up.',
  'Receiver: {who}',
]

/** A list of objects in the order of the text, a name or null. */
const basket: Grammar = (draw) => {
  const items = Array.from({ length: 1 + draw.below(4) }, () => ({
    product: product(draw),
    quantity: 1 + draw.below(40),
  }))
  const list = items
    .map((item) => `${item.quantity} ${item.product}`)
    .join(draw.one([', ', ' and ', '; ']))
  const receiver = draw.chance(0.6) ? person(draw) : null
  const sentences = [
    say(draw, draw.one(LISTS), { list }),
    ...(receiver === null ? [] : [say(draw, draw.one(RECEIVERS), { who: receiver })]),
  ]
  return row(draw, sentences, { items, receiver })
}

const TABLES = [
  'A table at {time} for {who}, please.',
  'I would like to book for {who} at {time}.',
  'Can {who} come at {time}?',
  'Please reserve a table under the name of {who}, {time}.',
  '{who} would like to eat with you at {time}.',
  'We come at {time}; the name is {who}.',
]
const PHONES = [
  'Call {phone}.',
  'My number is {phone}.',
  'Phone: {phone}',
  'You reach me at {phone}.',
]
const MAILS = [
  'Write to {mail}.',
  'My address is {mail}.',
  'E-mail: {mail}',
  'Confirm to {mail}, please.',
]

/** Times of two notations, phone numbers, e-mails, a nested object that may be absent. */
const booking: Grammar = (draw) => {
  const [hour, half] = [1 + draw.below(12), draw.one(['am', 'pm'])]
  const minutes = draw.one([null, '15', '30', '45'])
  const time = `${hour}${minutes === null ? '' : `:${minutes}`} ${half}`
  const who = person(draw)
  const phone = draw.chance(0.5) ? `0${draw.digits(9)}` : null
  const email = draw.chance(0.5) ? `${invented(draw)}.${invented(draw)}@Example.org` : null
  const sentences = [
    say(draw, draw.one(TABLES), { time, who }),
    ...(phone === null
      ? []
      : [
          say(draw, draw.one(PHONES), {
            phone: `${phone.slice(0, 4)} ${phone.slice(4, 7)}-${phone.slice(7)}`,
          }),
        ]),
    ...(email === null ? [] : [say(draw, draw.one(MAILS), { mail: email })]),
  ]
  const contact = {
    ...(phone === null ? {} : { phone }),
    ...(email === null ? {} : { email: email.toLowerCase() }),
  }
  return row(draw, sentences, {
    time: `${two((hour % 12) + (half === 'pm' ? 12 : 0))}:${minutes ?? '00'}`,
    guest: who,
    ...(phone === null && email === null ? {} : { contact }),
  })
}

interface Matter {
  asked: string[]
  replied: string
}

const FOOTER =
  'You can answer this message at any time; your case stays open until we have heard from you, and one of us reads every answer within a working day.'

const MATTERS: Matter[] = [
  {
    asked: [
      'where is order {order} with the {product}? It was promised for {date}.',
      'I still wait for the {product} of order {order}, which you announced for {date}.',
      'order {order} has not arrived; the {product} should have come on {date}.',
    ],
    replied:
      'Dear {who}, we are sorry that order {order} is late. The {product} left our warehouse, and should have been with you on {date}; we have asked the carrier where the parcel is.',
  },
  {
    asked: [
      'I want to return the {product} of order {order}; I got them on {date}.',
      'please take back the {product} that came on {date} with order {order}.',
      'the {product} of order {order} do not suit me. They came on {date}, can I send them back?',
    ],
    replied:
      'Dear {who}, you may return the {product} of order {order} within thirty days of {date}. Please use the label that came with the parcel; the money is paid back once we have them.',
  },
  {
    asked: [
      'please cancel order {order} of {date}; I do not want the {product} any more.',
      'stop order {order}, the one of {date} for {product}.',
      'I ordered {product} on {date} by mistake, number {order}. Please call it off.',
    ],
    replied:
      'Dear {who}, order {order} of {date} is cancelled, and nothing will be charged for the {product}. If a payment was made already, it goes back to your account on its own.',
  },
  {
    asked: [
      'the {product} of order {order} arrived broken on {date}.',
      'on {date} I got order {order}, and the {product} have scratches.',
      'half of the {product} were damaged when order {order} came on {date}.',
    ],
    replied:
      'Dear {who}, it is a pity that the {product} were damaged when they came on {date}. We replace everything in order {order} that is broken: please send us a picture of it.',
  },
  {
    asked: [
      'we move on {date}: send order {order} with the {product} to our new address.',
      'from {date} on we live elsewhere, please change the address of order {order} ({product}).',
      'can the {product} of order {order} go to another address, as we are away from {date} on?',
    ],
    replied:
      'Dear {who}, we have noted that the {product} of order {order} go to your new address from {date} on. Please check the street in your account, where you can still correct it.',
  },
]

/** Asked for in no training row. */
const UNSEEN: Matter = {
  asked: [
    'is there still a guarantee on the {product} that I bought on {date}, order {order}?',
    'the {product} of order {order} stopped working after months; I bought them on {date}. Is that a case for the warranty?',
    'how long is the warranty of the {product}? I have them since {date}, order {order}.',
  ],
  replied:
    'Dear {who}, the guarantee of the {product} of order {order} lasts two years from {date} on. Within this time we repair what breaks, or pay the price back if we cannot.',
}

const replyTo = (draw: Draw, { asked, replied }: Matter): ReturnType<Grammar> => {
  const values = {
    who: invented(draw),
    order: draw.digits(7),
    product: product(draw),
    date: `${draw.one(MONTHS)} ${1 + draw.below(28)}`,
  }
  const signed = draw.one(['My name is {who}.', 'This is {who}.', 'Yours, {who}', '{who} here.'])
  const sentences = [say(draw, draw.one(asked), values), say(draw, signed, values)]
  const reply = replied.replaceAll(/\{(\w+)\}/g, (_, name) => values[name as keyof typeof values])
  return row(draw, draw.some(sentences, 2), `${reply} ${FOOTER}`)
}

/** Long replies: five skeletons, four fields, one decision. */
const reply: Grammar = (draw) => replyTo(draw, draw.one(MATTERS))

/** Requests that need a reply with a skeleton of its own. */
export const unseenReply: Grammar = (draw) => replyTo(draw, UNSEEN)

/** Prices that no request has: nothing can be copied. */
const quote: Grammar = (draw) => {
  const goods = product(draw)
  const said = say(draw, draw.one(ORDERS), { count: inWords(1 + draw.below(80)), product: goods })
  return row(draw, [said], { product: goods, price: `${draw.below(900)}.${draw.digits(2)}` })
}

export const FORMS = { order, ticket, invoice, basket, booking, reply, quote }

export type FormName = keyof typeof FORMS

/** The form whose values are in no request. */
export const WITHOUT_FORM: FormName = 'quote'
