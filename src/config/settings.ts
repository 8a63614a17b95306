/** The settings in force as texts, for people who look. A secret is never among them. Pure. */
import { CONFIG_KEYS, parseEnvironment, type Environment } from './environment.ts'

export interface Setting {
  /** of the environment variable */
  name: string
  /** '' where there is none; of a secret `set` or '' */
  value: string
  isDefault: boolean
}

/** A shell command may hold a credential, and so may the path of a webhook and the URL of a database. */
const SECRET = /KEY|TOKEN|SECRET|PASSWORD|COMMAND|^(WEBHOOK|DATABASE|CHECK)_URL$/

const textOf = (value: Environment[keyof Environment]): string => {
  if (value === null) return ''
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** @returns every key once, in the order of the documentation */
export const settingsOf = (env: Environment): Setting[] => {
  const { env: defaults } = parseEnvironment({})
  return CONFIG_KEYS.map((name) => {
    const key = name as keyof Environment
    const [text, fallback] = [textOf(env[key]), textOf(defaults[key])]
    const value = text !== '' && SECRET.test(name) ? 'set' : text
    return { name, value, isDefault: text === fallback }
  })
}
