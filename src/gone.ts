/**
 * Settings and verbs that are gone, each with what stands in its place. A start with one of them ends with its
 * sentence, so that no installation goes on under another promise than its operator wrote down. Pure.
 */
const IN = '0.2'

/** Of the environment, of the proxy and of its engines. */
const SETTINGS: Record<string, string> = {
  DATABASE_CA_FILE: 'sslrootcert in DATABASE_URL names the file',
  JUDGE_SAME_FAMILY: 'a judge is always of another maker than the models that it judges',
  CHECK_SQL: 'CHECK_COMMAND or CHECK_URL compares SQL, such as the example in docs/check.md',
  LEARNING_CURVE: 'scan and the page say what more exchanges are worth, from how the route grew',
  TINKER_BASE_MODEL: 'a vLLM of your own serves loras (docs/gpu.md)',
  TINKER_API_KEY: 'a vLLM of your own serves loras (docs/gpu.md)',
  TINKER_BASE_URL: 'a vLLM of your own serves loras (docs/gpu.md)',
  TINKER_PRICES: 'ENGINE_USD_PER_HOUR states what the engine costs',
  TINKER_PYTHON: 'a vLLM of your own serves loras (docs/gpu.md)',
}

/** Of the command line. */
const VERBS: Record<string, string> = {
  detect:
    'the worker of a running proxy reads the log by itself; without one run worker --until-idle',
  evaluate: 'a verdict is that of the settings it was made with; internalize makes a new one',
}

const sentence = (name: string, instead: string): string => `${name} left in ${IN}: ${instead}`

/** @public every name of the tables, for a test that none is still read */
export const GONE_NAMES = { settings: Object.keys(SETTINGS), verbs: Object.keys(VERBS) }

/** @returns a sentence for each setting that is gone and has a value */
export const goneSettings = (variables: Record<string, string | undefined>): string[] =>
  Object.entries(SETTINGS)
    .filter(([name]) => (variables[name] ?? '') !== '')
    .map(([name, instead]) => sentence(name, instead))

/** @returns null: the verb is not gone */
export const goneVerb = (name: string): string | null =>
  Object.hasOwn(VERBS, name) ? sentence(name, VERBS[name]!) : null
