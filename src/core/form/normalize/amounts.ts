/** Rules that read money and quantities with units. Which currency "$" is, only the answers tell: US dollars, or none. */
import { NUMBER_RULES } from './numbers.ts'
import { readTable, tableRule, type ReadingRule, type Rule } from './rule.ts'

export const CURRENCIES = readTable(`
  USD: $ usd us$ dollar dollars us_dollars bucks; EUR: € eur euro euros; GBP: £ gbp pound pounds pounds_sterling;
  JPY: ¥ jpy yen; INR: ₹ inr rupee rupees rs; CHF: chf franc francs swiss_francs; KRW: ₩ krw won;
  CNY: cny rmb yuan; CAD: cad c$ canadian_dollars; AUD: aud a$ australian_dollars; SEK: sek; NOK: nok;
  DKK: dkk; PLN: pln zł zloty; CZK: czk kč; BRL: brl r$ reais; MXN: mxn pesos; TRY: try ₺ lira`)

export const UNITS = readTable(`
  kg: kg kgs kilo kilos kilogram kilograms; g: g gram grams; mg: mg milligram milligrams;
  lb: lb lbs pound pounds; oz: oz ounce ounces; t: t ton tons tonne tonnes;
  km: km kilometer kilometers kilometre kilometres; m: m meter meters metre metres;
  cm: cm centimeter centimeters centimetre centimetres; mm: mm millimeter millimeters;
  mi: mi mile miles; ft: ft foot feet; in: in inch inches; l: l liter liters litre litres;
  ml: ml milliliter milliliters; h: h hr hrs hour hours; min: min mins minute minutes; s: s sec secs second seconds;
  d: d day days; wk: wk week weeks; mo: mo month months; y: y yr yrs year years; pcs: pcs pc piece pieces;
  %: % percent; °C: °c celsius; °F: °f fahrenheit`)

interface Amount {
  name: string
  number: string
}

type NumberRule = 'plain-number' | 'number' | 'number-with-comma'

/** The number and the word before or behind it; null unless both are known. */
const splitAmount = (
  text: string,
  names: ReadonlyMap<string, string>,
  rule: NumberRule
): Amount | null => {
  const lower = text.trim().toLowerCase().replace(/\s+/gu, ' ')
  const before = /^([^\d\s+-]+?) ?([+-]?\d.*)$/u.exec(lower)
  const behind = /^(.*\d|.*\p{L}(?= )) ?([^\d]+?)\.?$/u.exec(lower)
  for (const [word, number] of [
    [before?.[1], before?.[2]],
    [behind?.[2], behind?.[1]],
  ]) {
    const name = names.get((word ?? '').trim())
    const value = number === undefined ? null : NUMBER_RULES[rule].apply(number)
    if (name !== undefined && value !== null) return { name, number: value }
  }
  return null
}

const amountRule = (
  names: ReadonlyMap<string, string>,
  write: (amount: Amount) => string,
  { makes, rule }: { makes: RegExp; rule: NumberRule }
): ReadingRule => {
  const { reads: name } = tableRule(names, makes)
  const { reads: number } = NUMBER_RULES[rule]
  return {
    apply: (text) => {
      const amount = splitAmount(text, names, rule)
      return amount && write(amount)
    },
    reads: {
      starts: new RegExp(`${name.starts.source}|${number.starts.source}`, 'g'),
      isPart: (word) => name.isPart(word) || number.isPart(word),
    },
    makes,
  }
}

/** One rule for each reading of the number: without a mark, with a point before the fraction, with a comma. */
const amountRules = <Name extends string>(
  name: Name,
  names: ReadonlyMap<string, string>,
  write: (amount: Amount) => string,
  makes: RegExp
) =>
  ({
    [name]: amountRule(names, write, { makes, rule: 'plain-number' }),
    [`${name}-with-point`]: amountRule(names, write, { makes, rule: 'number' }),
    [`${name}-with-comma`]: amountRule(names, write, { makes, rule: 'number-with-comma' }),
  }) as Record<Name | `${Name}-with-point` | `${Name}-with-comma`, ReadingRule>

export const AMOUNT_RULES = {
  currency: tableRule(CURRENCIES, /^[A-Z]{3}$/),
  unit: tableRule(UNITS, /^(?:\p{L}{1,3}|%|°[CF])$/u),
  ...amountRules(
    'code-and-amount',
    CURRENCIES,
    ({ name, number }) => `${name} ${number}`,
    /^[A-Z]{3} -?[\d.]+$/
  ),
  ...amountRules(
    'amount-and-code',
    CURRENCIES,
    ({ name, number }) => `${number} ${name}`,
    /^-?[\d.]+ [A-Z]{3}$/
  ),
  ...amountRules(
    'number-and-unit',
    UNITS,
    ({ name, number }) => `${number} ${name}`,
    /^-?[\d.]+ (?:\p{L}{1,3}|%|°[CF])$/u
  ),
  ...amountRules(
    'number-with-unit',
    UNITS,
    ({ name, number }) => `${number}${name}`,
    /^-?[\d.]+(?:\p{L}{1,3}|%|°[CF])$/u
  ),
} satisfies Record<string, Rule>
