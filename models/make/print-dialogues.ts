/**
 * Prints dialogues for pretraining, one JSON line each, until the reader goes away:
 * `tsx models/make/print-dialogues.ts --seed 1 --difficulty 2 --questions 12`
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { deriveSeed, seededRandom } from '../../src/random.ts'
import { DIFFICULTIES, drawApplication, type Difficulty } from './applications.ts'

const { values: args } = parseArgs({
  options: {
    seed: { type: 'string' },
    difficulty: { type: 'string' },
    questions: { type: 'string', default: '12' },
    count: { type: 'string' },
  },
})

const difficulty = DIFFICULTIES.find((value) => String(value) === args.difficulty)
if (difficulty === undefined || args.seed === undefined)
  throw new Error(`--seed <number> and --difficulty <${DIFFICULTIES.join('|')}> are needed`)

const dialogue = (seed: number, level: Difficulty): string => {
  const random = seededRandom(seed)
  const application = drawApplication(random, level)
  // with replacement: what was asked already says nothing about what comes next
  const questions = Array.from({ length: Number(args.questions) }, () => application.ask(random))
  return `${JSON.stringify({ system: application.system, questions })}\n`
}

process.stdout.on('error', () => process.exit(0))
const count = args.count === undefined ? Infinity : Number(args.count)
for (let index = 0; index < count; index++) {
  const line = dialogue(
    deriveSeed(Number(args.seed), index * DIFFICULTIES.length + difficulty),
    difficulty
  )
  if (!process.stdout.write(line)) await once(process.stdout, 'drain')
}
