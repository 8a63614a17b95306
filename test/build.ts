/** Builds once what tests start as processes of their own. */
import { build } from './kit/process/build.ts'
import { TEST_BUILD } from './kit/process/built.ts'
import { GPU_PROGRAMS } from './kit/process/gpu-process.ts'

export default (): void => {
  build(TEST_BUILD, [
    'src/cli.ts',
    'src/store/thread/thread.ts',
    'adapters/fake/process.ts',
    'adapters/onnx/process.ts',
    'adapters/onnx/train-process.ts',
    'demo/main.ts',
    ...GPU_PROGRAMS,
  ])
}
