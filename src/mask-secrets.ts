/** Removes credentials from foreign text (error messages, output of commands) before it is logged. */
import { createRedactor } from './core/log/redact.ts'

/** The user of a URL, and the value behind a word such as `token`. */
const NAMED_SECRETS =
  /(?<=:\/\/)[^\s/@]+(?=@)|(?<=(?:token|key|secret|password|bearer)["']?[\s:=]{1,3}["']?)(?!\[)[^\s"',;]{6,}/gi

const redactKeys = createRedactor({ detectors: ['key'], patterns: {} })

export const maskSecrets = (text: string): string =>
  redactKeys([text.replaceAll(NAMED_SECRETS, '[SECRET]')])[0]!
