/**
 * Plays the same conversations with every client: directly to a mock of the API, through the proxy, and with routes
 * that its own traffic taught. `npm run test:clients -- --install` installs the packages first.
 */
import { parseArgs } from 'node:util'
import { writeReport, type Figure } from '../kit/report.ts'
import { CLIENTS, type Client } from './clients.ts'
import { SCENARIOS } from './conversations.ts'
import { install, isInstalled } from './environments.ts'
import { playClient, type Played, type Tell } from './play-client.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    conversations: { type: 'string', default: '50' },
    install: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

const isTerminal = process.stderr.isTTY
const WIDTH = 30

/** A bar on a terminal, a line for each step elsewhere. */
const tellOf = ({ name }: Client): Tell => {
  let last = ''
  return (step, done, all) => {
    if (isTerminal) {
      const filled = Math.round((done / all) * WIDTH)
      const bar = '█'.repeat(filled).padEnd(WIDTH, '░')
      process.stderr.write(`\r\u001B[2K${name}  ${bar}  ${step}`)
    } else if (step !== last) console.error(`${name}: ${step}`)
    last = step
  }
}

const percent = (answered: number, asked: number): string =>
  asked === 0 ? '–' : `${Math.round((100 * answered) / asked)} %`

const linesOf = ({ name }: Client, { differences, shares, reasons, liveRoutes }: Played) => {
  const found = Object.entries(differences).flatMap(([run, lines]) =>
    lines.map((line) => `    ${run}: ${line}`)
  )
  const answered = SCENARIOS.map((scenario) => {
    const share = shares[scenario]
    return `${scenario} ${percent(share.answered, share.asked)}`
  })
  const others = Object.entries(reasons).map(([reason, count]) => `${reason} ${count}`)
  return [
    `${found.length === 0 ? 'same' : 'DIFFERENT'}  ${name}: ${liveRoutes} routes, answered ${answered.join(', ')}`,
    ...(others.length > 0 ? [`    upstream: ${others.join(', ')}`] : []),
    ...found.slice(0, 20),
    ...(found.length > 20 ? [`    and ${found.length - 20} more`] : []),
  ]
}

const figuresOf = ({ name }: Client, { differences, shares }: Played): [string, Figure][] => {
  const different = Object.values(differences).flat().length
  const answered = SCENARIOS.reduce((sum, scenario) => sum + shares[scenario].answered, 0)
  const asked = SCENARIOS.reduce((sum, scenario) => sum + shares[scenario].asked, 0)
  return [
    [
      `${name}: different`,
      { value: different, unit: 'conversations', bar: '<= 0', holds: different === 0 },
    ],
    [`${name}: answered`, { value: asked === 0 ? 0 : (100 * answered) / asked, unit: '%' }],
  ]
}

const asked = CLIENTS.filter(({ name }) => new RegExp(values.only).test(name))
const clients = asked.filter(({ lacks }) => lacks === undefined)
for (const { name, lacks } of asked)
  if (lacks !== undefined) console.log(`skipped  ${name}: this machine has no ${lacks}`)
if (values.install)
  for (const environment of new Set(clients.map((client) => client.environment))) {
    if (isInstalled(environment)) continue
    console.error(`installing ${environment.name}`)
    install(environment)
  }

const figures: [string, Figure][] = []
const failed: string[] = []
for (const client of clients) {
  if (!isInstalled(client.environment)) {
    console.log(`skipped  ${client.name}: not installed (--install)`)
    continue
  }
  try {
    const played = await playClient(client, Number(values.conversations), tellOf(client))
    if (isTerminal) process.stderr.write('\r\u001B[2K')
    console.log(linesOf(client, played).join('\n'))
    figures.push(...figuresOf(client, played))
    if (Object.values(played.differences).flat().length > 0) failed.push(client.name)
  } catch (error) {
    console.log(`FAILED  ${client.name}: ${String(error)}`)
    failed.push(client.name)
  }
}
if (values.out !== undefined) writeReport(values.out, Object.fromEntries(figures))
console.log(
  failed.length === 0
    ? `${figures.length / 2} clients say the same everywhere`
    : `different: ${failed.join(', ')}`
)
process.exitCode = failed.length === 0 ? 0 : 1
