/**
 * Examines a model through the embedded engine, on applications drawn from a seed that pretraining has
 * not seen: answers that are right with the prompt, and without it.
 * `npm run models:exam -- --model models/tiny --out exam.json`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openEngine } from '../../test/kit/process/engine.ts'
import { inLanes } from '../../test/kit/traffic/lanes.ts'
import { formatFigures, writeReport, type Figures } from '../../test/kit/report.ts'
import { createProgress } from '../../src/cli/output.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { deriveSeed, seededRandom } from '../../src/random.ts'
import { DIFFICULTIES, drawApplication, type Difficulty } from './applications.ts'

const { values: args } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/tiny' },
    seed: { type: 'string', default: '2026' },
    applications: { type: 'string', default: '40' },
    questions: { type: 'string', default: '5' },
    out: { type: 'string' },
  },
})

const LANES = 8
const MAX_TOKENS = 40

interface Task {
  messages: ChatMessage[]
  answer: string
}

const drawTasks = (difficulty: Difficulty): Task[] =>
  Array.from({ length: Number(args.applications) }, (_, index) => {
    const random = seededRandom(deriveSeed(Number(args.seed), index * 10 + difficulty))
    const application = drawApplication(random, difficulty)
    return Array.from({ length: Number(args.questions) }, () => {
      const { query, answer } = application.ask(random)
      const messages = [
        { role: 'system', content: application.system },
        { role: 'user', content: query },
      ]
      return { messages, answer }
    })
  }).flat()

/** Share of the answers that are right to the last letter. */
const shareRight = async (engine: Engine, model: string, tasks: Task[]): Promise<number> => {
  let right = 0
  await inLanes(LANES, tasks, async ({ messages, answer }) => {
    const request = { model, messages, temperature: 0, max_tokens: MAX_TOKENS }
    const completion = await engine.complete(request)
    if (completion.choices[0]?.message.content === answer) right++
  })
  return right / tasks.length
}

const withoutPrompt = (tasks: Task[]): Task[] =>
  tasks.map(({ messages, answer }) => ({ messages: messages.slice(1), answer }))

const examine = async (engine: Engine): Promise<Figures> => {
  const model = (await engine.models()).find(({ parent }) => parent === undefined)!.id
  const progress = createProgress()
  const figures: Figures = {}
  for (const difficulty of DIFFICULTIES) {
    const tasks = drawTasks(difficulty)
    progress.update('difficulty', difficulty, DIFFICULTIES.length)
    const tokens = await engine.countTokens(model, tasks[0]!.messages)
    figures[`right_with_prompt_${difficulty}`] = {
      value: await shareRight(engine, model, tasks),
      unit: `share of ${tasks.length}`,
    }
    figures[`right_without_prompt_${difficulty}`] = {
      value: await shareRight(engine, model, withoutPrompt(tasks)),
      unit: `share of ${tasks.length}`,
    }
    figures[`prompt_tokens_${difficulty}`] = { value: tokens, unit: 'tokens of the first' }
  }
  progress.stop()
  return figures
}

const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-exam-'))
const { engine, close } = await openEngine({ modelPath: args.model, dataDir })
try {
  const figures = await examine(engine)
  process.stdout.write(`${formatFigures(figures)}\n`)
  if (args.out !== undefined) writeReport(args.out, figures)
} finally {
  await close()
  rmSync(dataDir, { recursive: true, force: true })
}
