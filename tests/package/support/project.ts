/** Projects of other people. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { must, ROOT } from './run.ts';

/** An empty project of ES modules. */
export function makeProject(directory: string): string {
  mkdirSync(directory, { recursive: true });
  write(directory, { 'package.json': JSON.stringify({ name: path.basename(directory), private: true, type: 'module' }) });
  return directory;
}

/** Installs from npm's cache where it can. Names without a version get that of our own lockfile. */
export async function install(directory: string, packages: readonly string[]): Promise<void> {
  const wanted = packages.map((name) => (path.isAbsolute(name) ? name : `${name}@${lockedVersion(name)}`));
  await must('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', ...wanted], {
    cwd: directory,
  });
}

export function write(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** A folder of an installed project: it finds the project's packages, and disturbs no other test. */
export function folderIn(project: string, name: string): string {
  const folder = path.join(project, name);
  mkdirSync(folder);
  return folder;
}

export interface LockedPackage {
  readonly version: string;
}

/** What npm says is in a project's node_modules, by path. */
export function installedPackages(directory: string): Readonly<Record<string, LockedPackage>> {
  return packagesOf(path.join(directory, 'node_modules/.package-lock.json'));
}

export function lockedVersion(name: string): string {
  const locked = packagesOf(path.join(ROOT, 'package-lock.json'))[`node_modules/${name}`];
  if (!locked) throw new Error(`${name} is not in package-lock.json.`);
  return locked.version;
}

const packagesOf = (file: string) => (JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockedPackage> }).packages;
