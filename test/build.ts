/** Builds once what tests start as processes of their own. */
import { build } from '../bench/harness/build.ts'
import { TEST_BUILD } from './fixtures/built.ts'

export default (): void => {
  build(TEST_BUILD, [
    'src/cli.ts',
    'src/store/thread/thread.ts',
    'adapters/fake/process.ts',
    'adapters/onnx/process.ts',
    'adapters/onnx/train-process.ts',
    'demo/main.ts',
  ])
}
