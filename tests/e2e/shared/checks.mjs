// Results as every step of the tests prints them: one line for each thing that was looked at.
let failed = 0;

// The sentences that hold.
export const held = new Set();

export const check = async (sentence, holds) => {
  try {
    await holds();
    held.add(sentence);
    console.log(`ok - ${sentence}`);
  } catch (problem) {
    failed += 1;
    console.log(`not ok - ${sentence}\n    ${problem.stack ?? problem}`);
  }
};

export const is = (actual, expected, what = 'value') => {
  if (actual !== expected) throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
};

export const finish = () => process.exit(failed ? 1 : 0);
