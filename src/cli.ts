/** Entry point of the command `promptintern`. */
import { run } from './cli/run.ts'

/** A reader that has enough, such as `head`, closes stdout. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await run(process.argv.slice(2))
