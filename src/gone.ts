/**
 * Settings and verbs that are gone, each with what stands in its place. A start with one of them ends with its
 * sentence, so that no installation goes on under another promise than its operator wrote down. Pure.
 */
const IN = '0.2'

/**
 * Of the environment, of the proxy and of its engines; with `=` one value of a setting that stays. Names that other
 * programs read too, such as `TINKER_API_KEY`, are no sign of an old configuration.
 */
const SETTINGS: Record<string, string> = {
  DATABASE_CA_FILE: 'sslrootcert in DATABASE_URL names the file',
  JUDGE_SAME_FAMILY: 'a judge is always of another maker than the models that it judges',
  JUDGE_USD: 'PROOF_USD bounds what judge and other models may cost together',
  MODEL_PROOF_USD: 'PROOF_USD bounds what judge and other models may cost together',
  CAPTURE_EXCEPT: 'a - before a tenant in CAPTURE_TENANTS excepts it',
  WEBHOOK_FORMAT: 'events are signed with WEBHOOK_SECRET, and messages for Slack without it',
  DATABASE_POOL: 'every process opens up to 10 connections',
  MAX_CONNECTIONS: 'the limit is 16384; a load balancer may have a lower one',
  MAX_IN_FLIGHT_REQUESTS: 'the limit is 10000; MAX_IN_FLIGHT_BYTES bounds their memory',
  SHED_DELAY_MS: 'requests are refused above a delay of 500 ms',
  ROUTES_MAX_AGE_SECONDS: 'it is 300',
  CAPTURE_MAX_BYTES: 'it is 4 MiB',
  LOG_QUEUE_MAX_BYTES: 'it is 64 MiB',
  ENGINE_START_COMMAND: 'what pays for the machine starts it; work waits until it answers',
  ENGINE_STOP_COMMAND: 'what pays for the machine stops it; meanwhile the upstream answers',
  ENGINE_START_MINUTES: 'the proxy does not start the machine',
  ENGINE_IDLE_MINUTES: 'the proxy does not stop the machine',
  CHECK_SECONDS: 'a comparison may take 60 seconds',
  DETECT_MIN_SESSIONS: 'it is 30',
  START_EXCHANGES: 'it is 300; internalize begins with fewer',
  TRAIN_ROWS: 'it is 6000',
  HOLDOUT_ROWS: 'it is 500',
  MIN_COVERAGE: 'it is 0.2',
  SCHEDULE: 'ARMS=schedule trains by an exponential one',
  STAGES: 'ARMS=schedule has 4 stages',
  EXAMPLES: 'a row of the first stage retrieves 4 examples',
  SEED: 'every training has the same seed',
  AUDIT_SHARE: 'it is 0.03; AUDIT_USD_PER_DAY bounds its cost',
  ROLLOUT_MIN_HOURS: 'every stage takes a day at least; promote --now ends it earlier',
  ROLLBACK_EVIDENCE: 'a route is rolled back at a capital of 300',
  STEP_EVIDENCE: 'a stage may begin at a capital of 20',
  STREAM_EARLY: 'an answer is sent when it is whole and checked',
  CHECK_SQL: 'CHECK_COMMAND or CHECK_URL compares SQL, such as the example in docs/check.md',
  LEARNING_CURVE: 'scan and the page say what more exchanges are worth, from how the route grew',
  'ENGINE=tinker': 'ENGINE=http with a vLLM of your own serves loras (docs/gpu.md)',
  TINKER_BASE_MODEL: 'a vLLM of your own serves loras (docs/gpu.md)',
  TINKER_PRICES: 'ENGINE_USD_PER_HOUR states what the engine costs',
  TINKER_PYTHON: 'a vLLM of your own serves loras (docs/gpu.md)',
  ENGINE_PUBLISH: 'vLLM serves (ENGINE_VLLM_URL, ENGINE_LORA_FOLDER)',
  ENGINE_HOSTED_URL: 'vLLM serves (ENGINE_VLLM_URL, ENGINE_LORA_FOLDER)',
  ENGINE_HOSTED_KEY: 'vLLM serves (ENGINE_VLLM_URL, ENGINE_LORA_FOLDER)',
  ENGINE_HOSTED_MODEL: 'vLLM serves (ENGINE_VLLM_URL, ENGINE_LORA_FOLDER)',
  ENGINE_HOSTED_PRICES: 'ENGINE_USD_PER_HOUR states what the engine costs',
  ENGINE_GRADIENT_CHECKPOINTING: 'the trainer does it where memory is too small',
  ENGINE_ATTENTION: 'the trainer takes flex where an attempt with it works',
  ENGINE_MAX_TRAINING_TOKENS: 'the trainer halves its tokens where memory is too small',
  ENGINE_EARLY_STOP_PATIENCE: 'a job trains to its end, and the gate judges what it gave',
  ENGINE_REPLAY_SHARE: 'a self-distillation learns the logged answers alone',
  ENGINE_LORA_NAME: 'a lora has its own name at every vLLM',
  ENGINE_VLLM_MAX_LORAS: 'ENGINE_VLLM_ARGS takes --max-cpu-loras',
  ENGINE_VLLM_MAX_BATCH_LORAS: 'ENGINE_VLLM_ARGS takes --max-loras',
  ENGINE_VLLM_START_SECONDS: 'a start may take fifteen minutes',
  ENGINE_LAUNCH: 'ENGINE_TRAIN_COMMAND trains on a cluster (docs/gpu.md)',
  ENGINE_LAUNCH_TEMPLATE: 'ENGINE_TRAIN_COMMAND names the template itself (docs/gpu.md)',
  ENGINE_LAUNCH_DATA_DIR: 'both machines see ENGINE_DATA_DIR at one path (docs/gpu.md)',
  ENGINE_LAUNCH_MODEL: 'both machines see ENGINE_MODEL at one path (docs/gpu.md)',
  ENGINE_SKYPILOT_COMMAND: 'ENGINE_TRAIN_COMMAND calls sky (deploy/training/skypilot.sh)',
  ENGINE_DSTACK_URL: 'ENGINE_TRAIN_COMMAND trains on a cluster (docs/gpu.md)',
  ENGINE_DSTACK_TOKEN: 'ENGINE_TRAIN_COMMAND trains on a cluster (docs/gpu.md)',
  ENGINE_DSTACK_PROJECT: 'ENGINE_TRAIN_COMMAND trains on a cluster (docs/gpu.md)',
}

/** Of the command line. */
const VERBS: Record<string, string> = {
  show: 'template <template> shows it',
  label: 'template <template> --name <text> names it',
  fields:
    'template <template> --field <path> sets a rule with --free, --set, --round or --written, and --remove ends it',
  examples: 'template <template> --examples shows them',
  ratings: 'the admin page shows the pairs of the sample, and PUT /records/{id}/rating rates one',
  pause: 'promote <template> --share 0 pauses it',
  resume: 'promote <template> ends a pause',
  retire: 'rollback <template> --keep-previous-retired sends its requests to the upstream',
  reject: 'rollback <template> --reason <text> rejects one that is not live',
  detect:
    'the worker of a running proxy reads the log by itself; without one run worker --until-idle',
  evaluate: 'a verdict is that of the settings it was made with; internalize makes a new one',
}

const sentence = (name: string, instead: string): string => `${name} left in ${IN}: ${instead}`

/** @public every name of the tables, for the test that none of them is still read */
export const GONE_NAMES = { settings: Object.keys(SETTINGS), verbs: Object.keys(VERBS) }

/** @returns a sentence for each setting that is gone and has a value */
export const goneSettings = (variables: Record<string, string | undefined>): string[] =>
  Object.entries(SETTINGS)
    .filter(([setting]) => {
      const [name = '', value] = setting.split('=')
      const given = variables[name] ?? ''
      return value === undefined ? given !== '' : given === value
    })
    .map(([name, instead]) => sentence(name, instead))

/** @returns null: the verb is not gone */
export const goneVerb = (name: string): string | null =>
  Object.hasOwn(VERBS, name) ? sentence(name, VERBS[name]!) : null
