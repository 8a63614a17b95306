/**
 * A multi-layer perceptron, trained as scikit-learn's MLPClassifier does with `early_stopping`: rectified
 * units, softmax, Adam (Kingma and Ba 2015, algorithm 1), a tenth of the rows to stop by. The same rows
 * and seed give the same weights.
 */
import { assignFolds } from '../../../src/core/learn/head/folds.ts'
import { denseBackward, denseForward } from '../../../src/core/learn/head/dense-products.ts'
import { softmaxInPlace, type HeadRows } from '../../../src/core/learn/head/softmax-loss.ts'
import { mostLikely } from '../../../src/core/learn/acceptor.ts'
import { seededRandom, shuffle } from '../../../src/random.ts'
import { rowsAt } from './rows-at.ts'

interface Layer {
  inputs: number
  outputs: number
  /** `[outputs, inputs]` */
  weights: Float64Array
  /** `[outputs]` */
  bias: Float64Array
}

export interface Perceptron {
  layers: Layer[]
  classes: number
}

export interface PerceptronOptions {
  /** units of each hidden layer */
  hidden: readonly number[]
  maxEpochs: number
  seed: number
}

/** scikit-learn's defaults */
const LEARNING_RATE = 1e-3
const DECAYS = [0.9, 0.999] as const
const EPSILON = 1e-8
const L2 = 1e-4
const BATCH_ROWS = 200
/** One of ten parts of the rows is held out; training ends after so many epochs without a better accuracy on it. */
const PARTS = 10
const PATIENCE_EPOCHS = 10
const LEAST_GAIN = 1e-4

/** Uniform in ±√(6 / (inputs + outputs)): Glorot and Bengio 2010, eq. 16. */
const newLayer = (inputs: number, outputs: number, random: () => number): Layer => {
  const bound = Math.sqrt(6 / (inputs + outputs))
  const draw = (): number => (2 * random() - 1) * bound
  return {
    inputs,
    outputs,
    weights: Float64Array.from({ length: outputs * inputs }, draw),
    bias: Float64Array.from({ length: outputs }, draw),
  }
}

const copyOf = (layers: Layer[]): Layer[] =>
  layers.map((layer) => ({ ...layer, weights: layer.weights.slice(), bias: layer.bias.slice() }))

/** Inputs of each layer, `[rows, inputs]`, and the probabilities, `[rows, classes]`. */
const forward = (layers: Layer[], features: Float32Array) => {
  const inputs: Float32Array[] = []
  let values = features
  let logits = new Float64Array(0)
  for (const [number, { inputs: dims, outputs, weights, bias }] of layers.entries()) {
    const rows = values.length / dims
    inputs.push(values)
    logits = new Float64Array(rows * outputs)
    denseForward(values, weights, logits, { rows, dims, outputs })
    for (let at = 0; at < logits.length; at++) logits[at]! += bias[at % outputs]!
    if (number < layers.length - 1) values = Float32Array.from(logits, (sum) => Math.max(0, sum))
  }
  const classes = layers.at(-1)!.outputs
  for (let from = 0; from < logits.length; from += classes) softmaxInPlace(logits, from, classes)
  return { inputs, probabilities: logits }
}

const transposed = ({ weights, inputs, outputs }: Layer): Float64Array =>
  weights.map((_, at) => weights[(at % outputs) * inputs + Math.floor(at / outputs)]!)

/** `Σ_o residuals[r, o] · weights[o, i]` where the unit was on. */
const residualsBelow = (layer: Layer, residuals: Float64Array, values: Float32Array) => {
  const { inputs, outputs } = layer
  const below = new Float64Array(values.length)
  const shape = { rows: values.length / inputs, dims: outputs, outputs: inputs }
  denseForward(Float32Array.from(residuals), transposed(layer), below, shape)
  return below.map((value, at) => (values[at]! > 0 ? value : 0))
}

/** Of the mean loss of a batch with its penalty, weights and bias of each layer. */
const gradientsOf = (layers: Layer[], { features, labels }: HeadRows): Float64Array[] => {
  const { inputs, probabilities } = forward(layers, features)
  const classes = layers.at(-1)!.outputs
  const rows = labels.length
  let residuals = probabilities
  for (const [row, label] of labels.entries()) residuals[row * classes + label]! -= 1
  residuals = residuals.map((value) => value / rows)
  const gradients: Float64Array[] = []
  for (let number = layers.length - 1; number >= 0; number--) {
    const layer = layers[number]!
    const { inputs: dims, outputs } = layer
    const weights = layer.weights.map((weight) => (L2 * weight) / rows)
    denseBackward(inputs[number]!, residuals, weights, { rows, dims, outputs })
    const bias = new Float64Array(outputs)
    for (let at = 0; at < residuals.length; at++) bias[at % outputs]! += residuals[at]!
    gradients.unshift(weights, bias)
    if (number > 0) residuals = residualsBelow(layer, residuals, inputs[number]!)
  }
  return gradients
}

/** One step of Adam after the other, on the arrays themselves. */
const createAdam = (points: Float64Array[]): ((gradients: Float64Array[]) => void) => {
  const firsts = points.map((point) => new Float64Array(point.length))
  const seconds = points.map((point) => new Float64Array(point.length))
  let step = 0
  return (gradients) => {
    step += 1
    const rate = (LEARNING_RATE * Math.sqrt(1 - DECAYS[1] ** step)) / (1 - DECAYS[0] ** step)
    for (const [number, point] of points.entries()) {
      const [first, second, gradient] = [firsts[number]!, seconds[number]!, gradients[number]!]
      for (let i = 0; i < point.length; i++) {
        first[i] = DECAYS[0] * first[i]! + (1 - DECAYS[0]) * gradient[i]!
        second[i] = DECAYS[1] * second[i]! + (1 - DECAYS[1]) * gradient[i]! ** 2
        point[i]! -= (rate * first[i]!) / (Math.sqrt(second[i]!) + EPSILON)
      }
    }
  }
}

const accuracyOf = (layers: Layer[], { features, labels, classes }: HeadRows): number => {
  const probabilities = Float32Array.from(forward(layers, features).probabilities)
  const right = labels.filter(
    (label, row) => mostLikely(probabilities, row * classes, classes) === label
  )
  return right.length / labels.length
}

/** Places to train on, and places to stop by. */
const partsOf = ({ labels, classes }: HeadRows, seed: number): [number[], number[]] => {
  const places = [...labels.keys()]
  const groups = places.map(String)
  const { fold } = assignFolds(groups, labels, classes, { folds: PARTS, seed })
  return [places.filter((place) => fold[place] !== 0), places.filter((place) => fold[place] === 0)]
}

/** @returns the weights of the epoch with the best accuracy on the held-out tenth */
export const trainPerceptron = (
  rows: HeadRows,
  { hidden, maxEpochs, seed }: PerceptronOptions
): Perceptron => {
  const random = seededRandom(seed)
  const [trained, heldOut] = partsOf(rows, seed)
  const stopRows = rowsAt(rows, heldOut)
  const widths = [rows.dims, ...hidden, rows.classes]
  const layers = widths.slice(1).map((outputs, at) => newLayer(widths[at]!, outputs, random))
  const update = createAdam(layers.flatMap(({ weights, bias }) => [weights, bias]))
  let best = { accuracy: -Infinity, layers: copyOf(layers) }
  for (let epoch = 0, without = 0; epoch < maxEpochs && without <= PATIENCE_EPOCHS; epoch++) {
    shuffle(trained, random)
    for (let from = 0; from < trained.length; from += BATCH_ROWS)
      update(gradientsOf(layers, rowsAt(rows, trained.slice(from, from + BATCH_ROWS))))
    const accuracy = accuracyOf(layers, stopRows)
    without = accuracy < best.accuracy + LEAST_GAIN ? without + 1 : 0
    if (accuracy > best.accuracy) best = { accuracy, layers: copyOf(layers) }
  }
  return { layers: best.layers, classes: rows.classes }
}

/** `[rows, classes]` @param features `[rows, dims]` */
export const perceptronProbabilities = (
  { layers }: Perceptron,
  features: Float32Array
): Float32Array => Float32Array.from(forward(layers, features).probabilities)
