/** Figures of costs and prompts as short texts, the same in the terminal and on the page. */
import { dollars } from './economics.ts'

export const count = (value: number): string => Math.round(value).toLocaleString('en-US')

/** `1 template`, `2,000 templates`. */
export const counted = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? '' : 's'}`

/** @param part 0 to 1 */
export const share = (part: number): string => `${(100 * part).toFixed(1)} %`

/** Whole dollars from a hundred on. */
export const usd = (value: number): string =>
  Math.abs(value) >= 100 ? `${count(value)} USD` : dollars(value)
