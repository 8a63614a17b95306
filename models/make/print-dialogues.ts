/**
 * Prints dialogues for pretraining, one JSON line each, until the reader goes away:
 * `tsx models/make/print-dialogues.ts --seed 1 --kind 2 --questions 12`
 * The kind is a difficulty of applications, or small-talk.
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { deriveSeed, seededRandom } from '../../src/random.ts'
import { DIFFICULTIES, drawApplication, type Application } from './applications.ts'
import { drawSmallTalk } from './small-talk.ts'
import type { Random } from './world.ts'

const { values: args } = parseArgs({
  options: {
    seed: { type: 'string' },
    kind: { type: 'string' },
    questions: { type: 'string', default: '12' },
    count: { type: 'string' },
  },
})

const KINDS = new Map<string, (random: Random) => Application>([
  ...DIFFICULTIES.map(
    (difficulty) =>
      [String(difficulty), (random: Random) => drawApplication(random, difficulty)] as const
  ),
  ['small-talk', drawSmallTalk],
])

const kinds = [...KINDS.keys()]
const draw = KINDS.get(args.kind ?? '')
if (draw === undefined || args.seed === undefined)
  throw new Error(`--seed <number> and --kind <${kinds.join('|')}> are needed`)

const dialogue = (seed: number): string => {
  const random = seededRandom(seed)
  const application = draw(random)
  // with replacement: earlier questions do not limit later ones
  const questions = Array.from({ length: Number(args.questions) }, () => application.ask(random))
  return `${JSON.stringify({ system: application.system, questions })}\n`
}

process.stdout.on('error', () => process.exit(0))
const count = args.count === undefined ? Infinity : Number(args.count)
for (let index = 0; index < count; index++) {
  const seed = deriveSeed(Number(args.seed), index * KINDS.size + kinds.indexOf(args.kind!))
  const line = dialogue(seed)
  if (!process.stdout.write(line)) await once(process.stdout, 'drain')
}
