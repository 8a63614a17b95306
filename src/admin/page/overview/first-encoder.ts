/** The encoder with which a label head can be trained at once, as the overview proposes it. */
export const PULL_ENCODER = 'npx promptintern models pull minilm'

/** Where that command puts it. @param dataDir folder of the server's data */
export const encoderIn = (dataDir: string): string =>
  `${dataDir}/models/sentence-transformers--all-MiniLM-L6-v2`
