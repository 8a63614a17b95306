import { describe, expect, it } from 'vitest'
import { DIFFICULTIES, drawApplication, type Difficulty } from '../../models/make/applications.ts'
import { seededRandom } from '../../src/random.ts'

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed)

const dialogue = (seed: number, difficulty: Difficulty) => {
  const random = seededRandom(seed)
  const application = drawApplication(random, difficulty)
  return {
    system: application.system,
    questions: Array.from({ length: 8 }, () => application.ask(random)),
  }
}

/** The values in an answer, whatever its format. */
const valuesOf = (answer: string): string[] => {
  if (answer.startsWith('{')) return Object.values(JSON.parse(answer) as Record<string, string>)
  if (answer.includes('=')) return answer.split(' ').map((pair) => pair.split('=')[1]!)
  return answer.split(', ')
}

describe.each(DIFFICULTIES)('applications of difficulty %d', (difficulty) => {
  it('are the same for the same seed, and others for others', () => {
    expect(dialogue(7, difficulty)).toEqual(dialogue(7, difficulty))
    expect(new Set(SEEDS.map((seed) => dialogue(seed, difficulty).system)).size).toBe(SEEDS.length)
  })

  it('have every value of every answer in the prompt', () => {
    for (const seed of SEEDS) {
      const { system, questions } = dialogue(seed, difficulty)
      for (const { answer } of questions)
        for (const value of valuesOf(answer)) expect(system).toContain(value)
    }
  })

  it('leave no placeholder open', () => {
    for (const seed of SEEDS)
      expect(JSON.stringify(dialogue(seed, difficulty))).not.toMatch(
        /\{(item|field|company|place|flag|value)\}/
      )
  })

  it('answer one question in one way', () => {
    for (const seed of SEEDS) {
      const random = seededRandom(seed)
      const application = drawApplication(random, difficulty)
      const answers = new Map<string, string>()
      for (let i = 0; i < 200; i++) {
        const { query, answer } = application.ask(random)
        expect(answers.get(query) ?? answer).toBe(answer)
        answers.set(query, answer)
      }
    }
  })
})

it('has long prompts at the highest difficulty, by words and marks', () => {
  const words = SEEDS.map((seed) => dialogue(seed, 4).system.match(/\w+|[^\s\w]/g)!.length)
  expect(Math.min(...words)).toBeGreaterThan(100)
  expect(Math.max(...words)).toBeLessThan(900)
})
