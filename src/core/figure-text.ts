/** Figures as short texts, the same in the terminal and on the page. Pure. */

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

export const whole = (value: number): string => WHOLE.format(value)

/** `1 template`, `2,000 templates`. */
export const counted = (value: number, noun: string): string =>
  `${whole(value)} ${noun}${value === 1 ? '' : 's'}`

/** @param share 0 to 1 */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** Without decimals that say nothing: `5 %`, `2.5 %`. */
export const shortPercent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`

/** A difference of two shares: `5 points`. */
export const points = (share: number): string => `${Number((100 * share).toPrecision(3))} points`

/** Two significant digits at least, because a call costs fractions of a cent. */
export const dollars = (usd: number): string =>
  Math.abs(usd) >= 1 || usd === 0 ? `${usd.toFixed(2)} USD` : `${Number(usd.toPrecision(2))} USD`

/** Whole dollars from a hundred on. */
export const roundDollars = (usd: number): string =>
  Math.abs(usd) >= 100 ? `${whole(usd)} USD` : dollars(usd)

/** Below ten dollars with cents and their parts: savings begin small. */
export const usd = (value: number): string => {
  const digits = Math.abs(value) >= 10 ? 0 : Math.abs(value) >= 0.1 || value === 0 ? 2 : 5
  const text = Math.abs(value).toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
  return `${value < 0 ? '−' : ''}$${text}`
}

export const milliseconds = (value: number): string =>
  value < 1000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(1)} s`

/** `45 s`, `3 min`, `2 h 5 min`. @param value milliseconds */
export const duration = (value: number): string => {
  const seconds = Math.round(value / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const MINUTE = 60_000
const AGES = [
  { unit: 'd', ms: 1440 * MINUTE },
  { unit: 'h', ms: 60 * MINUTE },
  { unit: 'min', ms: MINUTE },
]

/** `3 h ago`; `now` within a minute. */
export const ago = (at: number, now: number): string => {
  const age = AGES.find(({ ms }) => now - at >= ms)
  return age === undefined ? 'now' : `${Math.floor((now - at) / age.ms)} ${age.unit} ago`
}
