/** Makes a failing case smaller while it still fails. */
import type { Case } from './cases.ts'

/** Requests that may be sent for one failure. */
const MAX_TRIES = 40

const parsed = (body: Buffer): Record<string, unknown> | null => {
  try {
    const value = JSON.parse(body.toString()) as unknown
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/** The case without one member or one header, and with half of its bytes. */
const smaller = (one: Case): Case[] => {
  const bytes = one.raw ?? one.body
  const halves = [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)]
  const value = one.raw === null ? parsed(one.body) : null
  const withoutMember = Object.keys(value ?? {}).map((name) => {
    const rest = Object.fromEntries(Object.entries(value!).filter(([other]) => other !== name))
    return { ...one, body: Buffer.from(JSON.stringify(rest)) }
  })
  const withoutHeader = Object.keys(one.headers).map((name) => {
    const { [name]: _removed, ...headers } = one.headers
    return { ...one, headers }
  })
  const ofBytes =
    bytes.length < 2
      ? []
      : halves.map((half) => (one.raw === null ? { ...one, body: half } : { ...one, raw: half }))
  return [...withoutMember, ...withoutHeader, ...(value === null ? ofBytes : [])]
}

/** @param fails sends a case again */
export const reduced = async (one: Case, fails: (one: Case) => Promise<boolean>): Promise<Case> => {
  let least = one
  let tries = 0
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false
    for (const candidate of smaller(least)) {
      if (++tries > MAX_TRIES) return least
      if (!(await fails(candidate))) continue
      least = candidate
      isSmaller = true
      break
    }
  }
  return least
}

const MAX_SHOWN = 1500

/** For a person who looks for the cause. */
export const textOf = ({ seed, name, method, path, headers, body, raw }: Case): string => {
  const bytes = (raw ?? body).toString('latin1')
  const shown =
    bytes.length > MAX_SHOWN ? `${bytes.slice(0, MAX_SHOWN)}… (${bytes.length} bytes)` : bytes
  return `seed ${seed}, ${name}: ${method} ${path} ${JSON.stringify(headers)}\n${JSON.stringify(shown)}`
}
