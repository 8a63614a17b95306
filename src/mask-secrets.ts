/** Takes credentials out of text of others (error messages, output of commands) before it is logged. */
import { createRedactor } from './core/log/redact.ts'

/** A URL's user, and what follows a word for a secret. */
const SAID_SECRETS =
  /(?<=:\/\/)[^\s/@]+(?=@)|(?<=(?:token|key|secret|password|bearer)["']?[\s:=]{1,3}["']?)(?!\[)[^\s"',;]{6,}/gi

const redactKeys = createRedactor({ detectors: ['key'], patterns: {} })

export const maskSecrets = (text: string): string =>
  redactKeys([text.replaceAll(SAID_SECRETS, '[SECRET]')])[0]!
