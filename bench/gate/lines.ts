/** Names of settings, and the lines that are printed for them. Knows nothing of the measurements. */
import type { Measured } from './measure.ts'

export interface Run {
  draws: number
  maxDraws: number
  random: () => number
}

export const percent = (value: number): string => `${(100 * value).toFixed(1)}`.padStart(6)

export const print = (text: string): void => void process.stdout.write(`${text}\n`)

export const HEAD = `${''.padEnd(44)} draws  promoted  false  ≤ (95 %)  coverage  agreement  ≥ 96 %  first arm (%)`

export const line = (name: string, measured: Measured): string =>
  [
    name.padEnd(44),
    String(measured.draws).padStart(5),
    '  ',
    percent(measured.promoted),
    percent(measured.broken),
    '  ',
    percent(measured.brokenUpper),
    '  ',
    percent(measured.coverage),
    '   ',
    measured.promoted === 0 ? '     –' : percent(measured.agreement),
    ' ',
    percent(measured.sure),
    '   ',
    percent(measured.firstArm),
  ].join(' ')

export const key = (name: string): string => name.replace(/\W+/g, '_').replace(/_$/, '')
