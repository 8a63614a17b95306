/** The environment of a process that runs code of others, such as a trainer's packages. */

const SECRET =
  /^ENGINE_|(^|_)(KEY|TOKEN|SECRET|CREDENTIALS)(_|$)|PASSWORD|^(DATABASE|WEBHOOK)_URL$|^OTEL_/

/** Without this program's settings and secrets, of which it needs none. */
export const childEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !SECRET.test(name)))
