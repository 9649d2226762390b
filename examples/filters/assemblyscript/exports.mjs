// AssemblyScript exports identifiers only, and the contract's names are none. This gives what is compiled its names in the contract.

const NAMES = {
  configure: 'mailweir:filter/configuration@0.1.0#configure',
  filter: 'mailweir:filter/message@0.1.0#filter',
};

export default class {
  afterCompile(module) {
    for (const [name, named] of Object.entries(NAMES)) {
      const { value } = this.binaryen.getExportInfo(module.getExport(name));
      module.removeExport(name);
      module.addFunctionExport(value, named);
    }
  }
}
