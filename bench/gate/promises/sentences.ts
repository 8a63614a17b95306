/**
 * Sentences as an application writes them, each with the same sentence that says something else: another number,
 * date, name, unit or order, a negation, or one word swapped. Knows nothing of the gate.
 */

export const MISTAKES = [
  'number',
  'date',
  'name',
  'negation',
  'unit',
  'order of two numbers',
  'swapped word',
] as const

export type Mistake = (typeof MISTAKES)[number]

type Draw = (random: () => number) => { right: string; wrong: string }

const whole = (random: () => number, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1))

const pick = <T>(random: () => number, items: readonly T[]): T =>
  items[Math.floor(random() * items.length)]!

/** Two different items. */
const pickTwo = <T>(random: () => number, items: readonly T[]): [T, T] => {
  const first = Math.floor(random() * items.length)
  const second = (first + 1 + Math.floor(random() * (items.length - 1))) % items.length
  return [items[first]!, items[second]!]
}

const twoNumbers = (random: () => number, least: number, most: number): [number, number] => {
  const first = whole(random, least, most)
  return [first, first === most ? least : whole(random, first + 1, most)]
}

const MONTHS = ['January', 'March', 'May', 'July', 'September', 'November']
const NAMES = ['Ann Lee', 'Bob Ray', 'Carla Díaz', 'Dev Patel', 'Eva Lund', 'Finn Wolf']
const CITIES = ['Lisbon', 'Oslo', 'Kyoto', 'Quito', 'Perth', 'Riga']
const money = (cents: number): string =>
  (cents / 100).toLocaleString('en-US', { minimumFractionDigits: 2 })

const said = (
  text: (value: string | number) => string,
  pair: readonly [string | number, string | number]
) => ({
  right: text(pair[0]),
  wrong: text(pair[1]),
})

/** At least three forms of each mistake. */
const FORMS: Record<Mistake, readonly Draw[]> = {
  number: [
    (random) =>
      said(
        (n) => `Take ${n} tablets after dinner, and call us if it gets worse.`,
        twoNumbers(random, 1, 9)
      ),
    (random) =>
      said(
        (n) => `Your order number is ${n}, and it leaves our house today.`,
        twoNumbers(random, 10_000, 99_999)
      ),
    (random) => {
      const [a, b] = twoNumbers(random, 10_000, 900_000)
      return said(
        (n) => `The open amount of your invoice is ${n} euros in total.`,
        [money(a), money(b)]
      )
    },
    (random) =>
      said(
        (n) => `The committee has ${n} members, of whom all may vote in this matter.`,
        twoNumbers(random, 3, 40)
      ),
  ],
  date: [
    (random) => {
      const [day, month] = [whole(random, 1, 28), pick(random, MONTHS)]
      return said(
        (year) => `Your contract ends on ${day} ${month} ${year} unless you extend it.`,
        twoNumbers(random, 2026, 2031)
      )
    },
    (random) => {
      const day = whole(random, 1, 28)
      return said(
        (month) => `The technician will visit you on ${day} ${month} in the morning.`,
        pickTwo(random, MONTHS)
      )
    },
    (random) =>
      said(
        (hour) => `The pharmacy next to you closes at ${hour}:00 this evening.`,
        twoNumbers(random, 17, 22)
      ),
  ],
  name: [
    (random) =>
      said(
        (name) => `Please ask ${name} in the office for the signed copy.`,
        pickTwo(random, NAMES)
      ),
    (random) =>
      said(
        (city) => `The shipment waits at the customs office of ${city} for papers.`,
        pickTwo(random, CITIES)
      ),
    (random) => {
      const [from, to] = pickTwo(random, NAMES)
      return {
        right: `The share was transferred from ${from} to ${to} as agreed.`,
        wrong: `The share was transferred from ${to} to ${from} as agreed.`,
      }
    },
  ],
  negation: [
    (random) =>
      said(
        (not) =>
          `Claim ${whole(random, 100, 999)} has ${not}been approved by the insurance company.`,
        ['', 'not ']
      ),
    (random) =>
      said(
        (not) => `You may ${not}drive a car after you took this medicine, ${pick(random, NAMES)}.`,
        ['', 'not ']
      ),
    (random) =>
      said(
        (no) => `The inspection of unit ${whole(random, 10, 99)} found ${no} cracks in the weld.`,
        ['no', 'some']
      ),
  ],
  unit: [
    (random) =>
      said(
        (unit) => `Dissolve ${whole(random, 2, 900)} ${unit} of the powder in cold water.`,
        pickTwo(random, ['mg', 'g', 'kg'])
      ),
    (random) =>
      said(
        (unit) => `The new turbine delivers ${whole(random, 2, 90)} ${unit} at full load.`,
        ['mW', 'MW']
      ),
    (random) =>
      said(
        (unit) => `Refunds of up to ${whole(random, 20, 400)} ${unit} need no further approval.`,
        pickTwo(random, ['USD', 'EUR', 'GBP'])
      ),
    (random) =>
      said(
        (power) => `The plot has an area of 10${power} square metres for ${pick(random, NAMES)}.`,
        ['²', '2']
      ),
  ],
  'order of two numbers': [
    (random) => {
      const [low, high] = twoNumbers(random, 2, 90)
      return {
        right: `The temperature must rise from ${low} to ${high} degrees overnight.`,
        wrong: `The temperature must rise from ${high} to ${low} degrees overnight.`,
      }
    },
    (random) => {
      const [first, second] = twoNumbers(random, 1, 60)
      return {
        right: `The home team won the match ${second}:${first} after extra time.`,
        wrong: `The home team won the match ${first}:${second} after extra time.`,
      }
    },
    (random) => {
      const [cents, other] = [whole(random, 1, 8), whole(random, 1, 8)]
      const [a, b] = [
        `1,${cents}${cents === other ? 9 : other}0.00`,
        `1,${cents === other ? 9 : other}${cents}0.00`,
      ]
      return {
        right: `The agreed monthly rent is ${a} euros without heating.`,
        wrong: `The agreed monthly rent is ${b} euros without heating.`,
      }
    },
  ],
  'swapped word': [
    (random) =>
      said(
        (word) => `The application of ${pick(random, NAMES)} was ${word} by the board.`,
        ['rejected', 'approved']
      ),
    (random) =>
      said(
        (word) =>
          `Please turn the valve of line ${whole(random, 2, 30)} to the ${word} until it clicks.`,
        ['left', 'right']
      ),
    (random) =>
      said(
        (word) =>
          `The value for patient ${whole(random, 100, 999)} is ${word} than in the last test.`,
        ['higher', 'lower']
      ),
    (random) =>
      said(
        (word) => `We will send this to ${word}, the team of ${pick(random, CITIES)}.`,
        ['US', 'us']
      ),
  ],
}

/** A logged answer, and the same with a mistake of the kind. */
export const drawSentence = (mistake: Mistake, random: () => number) =>
  pick(random, FORMS[mistake])(random)
