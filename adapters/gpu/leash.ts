/**
 * Runs a command for as long as its parent lives: `leash.ts graceMs command argument …`, forked with a channel to the
 * parent. vLLM computes in processes below the one that was started, and none of them may keep the GPU's memory: they
 * are one group, and when the first of it ends, the whole group is killed. When the parent ends, so does the group:
 * SIGTERM, and SIGKILL after the grace. The parent is sent the group's id, and kills it should this process be killed.
 *
 * SIGTERM goes on to the group. The command's stdin ends with this process. The exit code is the command's, as a shell
 * has it.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { signalGroup } from '../../src/process/signal-group.ts'
import { onParentEnd } from '../../src/process/supervise.ts'

const [graceMs = '0', command = '', ...args] = process.argv.slice(2)
const child = spawn(command, args, { detached: true, stdio: ['pipe', 'inherit', 'inherit'] })
// nothing is written to it
child.stdin?.on('error', () => undefined)

child.once('error', (error) => {
  process.stderr.write(`${command} cannot be run: ${error.message}\n`)
  process.exit(127)
})
child.once('exit', (code, signal) => {
  signalGroup(child.pid, 'SIGKILL')
  process.exit(signal === null ? code! : 128 + constants.signals[signal])
})
process.on('SIGTERM', () => signalGroup(child.pid, 'SIGTERM'))
process.send?.({ group: child.pid })
onParentEnd(() => {
  if (Number(graceMs) > 0) signalGroup(child.pid, 'SIGTERM')
  setTimeout(() => signalGroup(child.pid, 'SIGKILL'), Number(graceMs))
})
