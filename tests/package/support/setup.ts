/**
 * The package as its users get it: built, packed and installed into projects that hold nothing else, in a
 * directory outside of the checkout, so that nothing of the checkout is found by accident.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { install, makeProject } from './project.ts';
import { must, NODE, ROOT, strangersEnv } from './run.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The packed package. */
    readonly tarball: string;
    /** The package alone, as a program for Node has it. */
    readonly nodeProject: string;
    /** With the types of Node, as TypeScript needs them to check every declaration. */
    readonly typesProject: string;
    /** With sql.js, as a page has it. */
    readonly webProject: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'package-'));
  const dispose = () => rmSync(directory, { recursive: true, force: true });
  try {
    const env = strangersEnv();
    await must(NODE, ['scripts/build-lib.mjs'], { cwd: ROOT, env });
    await must('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], { cwd: ROOT, env });
    const tarball = path.join(
      directory,
      readdirSync(directory).find((name) => name.endsWith('.tgz'))!,
    );
    const project = async (name: string, packages: readonly string[] = []) => {
      const made = makeProject(path.join(directory, name));
      await install(made, [tarball, ...packages]);
      return made;
    };
    provide('tarball', tarball);
    provide('nodeProject', await project('node'));
    provide('typesProject', await project('types', ['@types/node']));
    provide('webProject', await project('web', ['sql.js']));
    return dispose;
  } catch (error) {
    dispose();
    throw error;
  }
}
