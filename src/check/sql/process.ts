/**
 * The process of `CHECK_SQL`: reads a comparison from stdin, runs both statements, writes a verdict. Its argument is
 * `prompt`, or the path of a SQLite file. Exits with 75 where the file cannot be opened. Its parent limits its time.
 */
import { text } from 'node:stream/consumers'
import { messageText } from '../../core/request/request-scan.ts'
import type { CheckedAnswers } from '../../worker/deps.ts'
import { compareResults, type Verdict } from './compare-results.ts'
import { openDescribed, openFile } from './databases.ts'
import { insertsOf, literalsOf, tablesOf } from './statement.ts'

const EX_TEMPFAIL = 75

const compareOnDescribed = ({ messages, logged, answer }: CheckedAnswers): Verdict => {
  const request = messages.map((message) => messageText(message) ?? '').join('\n\n')
  const tables = tablesOf(request)
  if (tables.length === 0) return { verdict: 'none', why: 'the request has no CREATE TABLE' }
  const inserts = insertsOf(request)
  const literals = literalsOf(`${logged}\n${answer}`)
  return compareResults(openDescribed({ tables, inserts, literals }), { logged, answer })
}

/** @returns null where it cannot be opened: the operator can mend it, and no text is the reason */
const openFileOf = (path: string): ReturnType<typeof openFile> | null => {
  try {
    return openFile(path)
  } catch {
    process.exitCode = EX_TEMPFAIL
    return null
  }
}

const compareOnFile = (path: string, answers: CheckedAnswers): Verdict => {
  const database = openFileOf(path)
  return database === null
    ? { verdict: 'none', why: 'the file cannot be opened' }
    : compareResults([database], answers)
}

const source = process.argv[2] ?? 'prompt'
const answers = JSON.parse(await text(process.stdin)) as CheckedAnswers
const verdict = source === 'prompt' ? compareOnDescribed(answers) : compareOnFile(source, answers)
process.stdout.write(JSON.stringify(verdict))
