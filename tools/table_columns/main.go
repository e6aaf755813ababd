// Prints the column definitions of all built-in kinds, as JSON for tools/generate_table_columns.py.
// Build it in a module that requires k8s.io/kubernetes and replaces the k8s.io/* modules that belong to it.
package main

import (
	"context"
	"encoding/json"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/controlplane" // registers every group
	"k8s.io/kubernetes/pkg/printers"
	printersinternal "k8s.io/kubernetes/pkg/printers/internalversion"
	printerstorage "k8s.io/kubernetes/pkg/printers/storage"
)

func main() {
	tables := printerstorage.TableConvertor{
		TableGenerator: printers.NewTableGenerator().With(printersinternal.AddHandlers),
	}
	out := map[string]any{}
	for gvk := range legacyscheme.Scheme.AllKnownTypes() {
		obj, err := legacyscheme.Scheme.New(gvk.GroupKind().WithVersion(runtime.APIVersionInternal))
		if gvk.Version == runtime.APIVersionInternal || err != nil {
			continue
		}
		if table, err := tables.ConvertToTable(context.Background(), obj, nil); err == nil {
			out[gvk.Group+"/"+gvk.Kind] = table.ColumnDefinitions
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}
