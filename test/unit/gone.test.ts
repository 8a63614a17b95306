import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { parseConfig } from '../../src/config/config.ts'
import { CONFIG_KEYS } from '../../src/config/environment.ts'
import { AppError } from '../../src/errors.ts'
import { GONE_NAMES } from '../../src/gone.ts'

const startWith = (variables: Record<string, string>): unknown => {
  try {
    return parseConfig(variables)
  } catch (error) {
    return error
  }
}

it('none that is gone is still a setting or a verb', async () => {
  const verbs = (await createProgram([])).commands.map((command) => command.name())
  expect(GONE_NAMES.settings.filter((name) => CONFIG_KEYS.includes(name))).toEqual([])
  expect(GONE_NAMES.verbs.filter((name) => verbs.includes(name))).toEqual([])
})

describe('a start with settings that are gone', () => {
  it('ends with a sentence for each, beside the other mistakes', () => {
    const error = startWith({ DATABASE_CA_FILE: '/ca', JUDGE_SAME_FAMILY: 'true', PORT: 'eighty' })
    expect(error).toBeInstanceOf(AppError)
    const { code, message } = error as AppError
    expect(code).toBe('invalid-config')
    expect(message).toMatch(/DATABASE_CA_FILE left in 0\.2: sslrootcert in DATABASE_URL/)
    expect(message).toMatch(/JUDGE_SAME_FAMILY left in 0\.2: /)
    expect(message).toMatch(/PORT: /)
  })

  it('says so of a value that is gone, too', () => {
    expect((startWith({ ENGINE: 'tinker' }) as AppError).message).toMatch(
      /ENGINE=tinker left in 0\.2: ENGINE=http with a vLLM/
    )
  })

  it('goes on where they are empty', () => {
    expect(startWith({ DATABASE_CA_FILE: '' })).toMatchObject({ port: 8787 })
  })
})
